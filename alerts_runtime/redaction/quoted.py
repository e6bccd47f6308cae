"""What PostgreSQL, and pydantic, quote in their messages: rows, values and the statement. Pure.

Django binds values on the client by default, so that the statement it quotes holds them as well.
https://www.postgresql.org/docs/current/protocol-error-fields.html
"""

from __future__ import annotations

import re

from alerts_runtime.redaction.personal import DATA
from alerts_runtime.redaction.table import Rules

# As lc_messages has it: English, German and Czech, then French, Spanish, Portuguese, Italian, Swedish, Polish, Russian.
_DETAIL = r"(?:D[EÉ]TAIL|DETALLE|DETALHE|DETTAGLI|DETALJ|SZCZEGÓŁY|ПОДРОБНОСТИ)"
RULES: Rules = (
    # A row or a value may hold line breaks: goes on until a row or a sentence ends.
    (
        ("tail:", "tail :", "detalle:", "detalhe:", "dettagli:", "detalj:", "szczegóły:", "подробности:"),
        re.compile(
            rf"""\b({_DETAIL})[ ]?:[ \t]*+(?: Failing[ ]row[ ]contains (?:[^\n]*+ (?<!\)\.) \n(?!\n))*+ [^\n]*+
            | \S[^\n]*+ (?: (?<!\.)(?<!\.["'])(?<!\.["']\))(?<!\[data\])
                \n(?!\n|HINT:|QUERY:|CONTEXT:|Traceback) [^\n]*+ )*+
            )""",
            re.X,
        ),
        rf"\1: {DATA}",
    ),
    ((")=(",), re.compile(r"(\([^)\n]{1,200}\)=)\([^\n]*\)"), rf"\1({DATA})"),
    # LINE and QUERY are the statement; what is cut off at its start may have begun inside a value.
    (
        ("line ",),
        re.compile(r"""^(LINE[ ][0-9]{1,9}:[ ])(?=[^\n]*['"])[^\n]*+""", re.M),
        rf"\1{DATA}",
    ),
    (
        ("query:", "context:", "statement:"),
        re.compile(r"""^((?:QUERY|CONTEXT|STATEMENT):[ ]{1,3})(?=[^\n]*['":{])[^\n]*+""", re.M),
        rf"\1{DATA}",
    ),
    (
        ("invalid ", "out of range: ", "malformed ", "date/time "),
        re.compile(r"""((?:invalid input (?:syntax|value) for|malformed) [^:"\n]{1,100}: |out of range: )"[^\n]*\""""),
        rf"\1{DATA}",
    ),
    (
        ("value ", "zone "),
        re.compile(
            r"""\b((?:invalid )?value|time zone) "[^\n]*"(?= is out of range for type | for "| not recognized)"""
        ),
        rf"\1 {DATA}",
    ),
    # What a function of the site's own says in a hint is anybody's words.
    (("hint:",), re.compile(r"""\bHINT:[ \t]*+(?=[^\n]*["'=0-9])(?!\[data\]$)[^\n]*+""", re.M), f"HINT: {DATA}"),
    # pydantic, which quotes what it was given
    (("input_value=",), re.compile(r"(\binput_value=)[^\n]{0,200}?(?=, input_type=)"), rf"\1{DATA}"),
)
