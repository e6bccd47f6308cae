"""Texts that try to be more than text."""

from __future__ import annotations

from hypothesis import strategies as st

from notifier.facts import Link, Message, Reason, Severity

TRICKS = (
    "<!channel>", "<!here|here>", "<@U0123ABCD>", "<#C0123ABCD>", "<https://evil.example|click>", "&lt;!everyone&gt;",
    "@channel", "@here", "@everyone", "@HERE", "#payments", "```", "`", "*", "_", "~", ">", "&", "<", "&gt;", "&amp;",
    ":fire:", ":100:", "12:30:45", "\r\nBcc: eve@evil.example", "\nSubject: no", "\r\n\r\n<script>", "\r\n.\r\n",
    "\x00", "\x1b[31m", "\u2028", "\u202e", "\ud800", "\udfff", "😀", "€", "“quoted”", "ﬁ", "ß", "Ł", "漢", "e\u0301",
    "https://shop.example/?a=1&b=<2>", "[bold]", "{", "}", "|", "^", "\\", "x" * 200, " ", "\t", "\n",
)  # fmt: skip

texts = st.lists(st.sampled_from(TRICKS) | st.text(max_size=20), max_size=12).map("".join)
urls = st.sampled_from(
    ["https://shop.example/a?b=1&c=2", "javascript:alert(1)", "https://x/|<!here>", "", "http://y/ z"]
)
links = st.builds(Link, text=texts, url=urls)
messages = st.builds(
    Message,
    reason=st.sampled_from(Reason),
    severity=st.sampled_from(Severity),
    title=texts,
    summary=st.lists(texts, max_size=6).map(tuple),
    action=texts,
    news=texts,
    footer=st.lists(texts, max_size=4).map(tuple),
    links=st.lists(links, max_size=3).map(tuple),
    short=texts,
    subject=texts,
    html=texts,
    text=texts,
    detail=texts,
    reference=st.text(st.sampled_from("abcXYZ019"), min_size=6, max_size=6),
    thread=texts,
    possible_repeat=st.booleans(),
)
