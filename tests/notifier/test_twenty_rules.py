"""What others learnt about on-call, escalation and answers, and which tests hold it. No rule may lose its tests."""

from __future__ import annotations

from importlib import import_module

import pytest

ROTA, TURNS, OVERRIDES = "oncall.test_rota", "oncall.test_turns", "oncall.test_overrides"
COVERAGE, NOTES, FEED, IMPORTED = (f"oncall.test_{name}" for name in ("coverage", "notes", "calendar_feed", "imported"))
STEPS, ESCALATION, SLACK, SMS = (
    "test_rules_of_escalation", "test_escalation", "answers.test_slack", "answers.test_sms",
)  # fmt: skip
RULES: dict[str, list[tuple[str, str]]] = {
    "1 no gap or overlap when the clocks change": [
        (ROTA, "test_five_years_are_covered_without_gap_or_overlap"),
        (ROTA, "test_the_shifts_of_the_days_on_which_clocks_change"),
        (ROTA, "test_cover_is_complete_and_disjoint_and_says_what_who_says"),
    ],
    "2 weekdays in a zone far from UTC page one person": [
        (ROTA, "test_a_zone_far_from_utc_with_weekdays_alone_never_has_two_people"),
    ],
    "3 restricted days starve nobody unseen": [
        (TURNS, "test_whether_days_off_take_a_turn_decides_who_is_starved"),
        ("oncall.test_commands", "test_weeks_are_listed_with_gaps_and_how_fair_they_are"),
    ],
    "4 turns of four and three days, and empty seats": [
        (TURNS, "test_two_handovers_in_a_week_make_turns_of_four_and_three_days"),
        (TURNS, "test_an_empty_seat_takes_its_turn"),
    ],
    "5 who is added moves nobody before their date": [
        (TURNS, "test_a_new_seat_moves_nobody_before_its_date"),
        ("oncall.test_commands", "test_diff_says_who_would_be_on_call_instead_of_whom"),
    ],
    "6 every view names whom routing pages": [
        ("oncall.test_views_agree", "test_every_view_names_whom_routing_pages"),
    ],
    "7 an override outlives the shift that it was made for": [
        (OVERRIDES, "test_an_override_that_meets_no_shift_of_whom_it_takes_over_from_is_told"),
    ],
    "8 a confirmation says who, from, to and zone as stored": [
        (OVERRIDES, "test_the_answer_says_who_from_when_to_when_where_and_instead_of_whom_as_it_is_stored"),
        (OVERRIDES, "test_a_period_that_is_none_or_over_is_refused_and_leaves_nothing"),
        (OVERRIDES, "test_an_answer_over_a_change_of_the_clocks_names_both_zones"),
    ],
    "9 taking over needs no consent, tells both, and can be undone": [
        (NOTES, "test_an_override_is_told_to_both_and_so_is_its_undoing"),
        ("oncall.test_commands", "test_an_override_is_made_listed_and_undone"),
        (SLACK, "test_commands"),
    ],
    "10 a step without anybody goes on at once, and says so": [
        (STEPS, "test_a_rule_that_others_learnt"),
        ("oncall.test_steps_and_rotations", "test_an_empty_rotation_is_a_step_without_anybody"),
    ],
    "11 a member without an address, or with a dead one": [
        (COVERAGE, "test_every_member_that_a_channel_does_not_reach_is_named"),
        (COVERAGE, "test_a_number_that_nothing_reaches_is_told_before_its_next_shift"),
    ],
    "12 gaps are an alert and a metric; days of calendars end exclusively": [
        (COVERAGE, "test_a_gap_ahead_is_one_alert_however_often_it_is_looked_for"),
        (COVERAGE, "test_the_metric_counts_the_time"),
        (IMPORTED, "test_every_file_of_the_corpus_is_read"),
    ],
    "13 steps outlive restarts": [
        (STEPS, "test_a_rule_that_others_learnt"),
        (ESCALATION, "test_workers_that_were_away_take_one_step_and_the_next_has_its_whole_time"),
    ],
    "14 no page after an acknowledgement": [
        (STEPS, "test_a_rule_that_others_learnt"),
        (ESCALATION, "test_the_claim_of_a_send_asks_for_an_acknowledgement"),
    ],
    "15 several who must each answer": [
        (STEPS, "test_a_rule_that_others_learnt"),
        (ESCALATION, "test_the_steps_go_on_until_each_has_answered"),
    ],
    "16 what is acknowledged is handed over": [
        (NOTES, "test_the_next_person_gets_one_message_with_what_is_open_and_who_has_it"),
        (NOTES, "test_after_it_news_reminders_and_the_end_go_to_both"),
    ],
    "17 who may stop a page": [
        (STEPS, "test_a_rule_that_others_learnt"),
        (SLACK, "test_who_was_not_paged_may_act_and_all_see_that"),
        (SLACK, "test_strangers_other_workspaces_and_other_channels_get_a_private_note"),
    ],
    "18 missing scopes, unlinked users, dead buttons": [
        ("oncall.test_user_groups", "test_what_slack_refuses_is_an_alert_in_words_and_ends_with_it"),
        ("channels.test_slack", "test_an_error_names_the_scope_that_is_missing"),
        (SLACK, "test_a_home_tab_that_cannot_be_shown_stops_nobody"),
        (SLACK, "test_a_test_message_proves_the_way_back"),
        (SMS, "test_a_page_says_how_to_answer_it_and_the_answer_ends_the_reminders"),
    ],
    "19 expired codes and the carriers' words": [
        (SMS, "test_an_old_number_says_what_became_of_it_and_by_whom"),
        (SMS, "test_a_word_of_the_carriers_sets_the_number_aside_with_an_alert"),
        ("answers.test_sms_words", "test_no_command_is_a_word_of_the_carriers"),
    ],
    "20 scanners, feeds and dirty imports": [
        ("pages.test_answer", "test_to_open_it_changes_nothing_and_uses_nothing_up"),
        (FEED, "test_an_event_keeps_nobody_from_being_invited"),
        (FEED, "test_the_zone_is_told_by_yearly_rules_and_no_dates"),
        (FEED, "test_a_persons_own_has_their_shifts_alone_and_what_they_take_over"),
        (IMPORTED, "test_unknown_people_are_told_and_the_rest_counts"),
    ],
}


def test_there_are_twenty() -> None:
    assert [int(rule.partition(" ")[0]) for rule in RULES] == list(range(1, 21))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_its_tests(rule: str) -> None:
    missing = [
        f"{module}::{name}"
        for module, name in RULES[rule]
        if not callable(getattr(import_module(f"tests.notifier.{module}"), name, None))
    ]
    assert not missing
