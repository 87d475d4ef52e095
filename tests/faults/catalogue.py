"""The faults that a run must survive, each with the tests that make it; their numbers are fixed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the places of its tests as pytest names them."""

    number: int
    fault: str
    tests: tuple[str, ...]


_CALLS, _CLOCK, _DISKS = "tests/faults/test_calls.py::", "tests/faults/test_clock.py::", "tests/faults/test_disks.py::"
_INPUTS, _LIMITS, _MANIFESTS = "tests/faults/test_inputs.py::", "tests/faults/test_limits.py::", "tests/faults/test_manifests.py::"
_PLACES, _PROCESSES = "tests/faults/test_places.py::", "tests/faults/test_processes.py::"
_CONFINED = "tests/faults/test_confined.py::test_nothing_is_written_outside_the_output"
_KILLS = "tests/kills/test_kills.py::test_killed_at_random_moments"
_EXPAND, _GENERATE = "tests/test_expand.py::", "tests/test_generate.py::"
_EXECUTORS, _TARS, _DECODE, _PLAN = "tests/test_executors.py::", "tests/test_tars.py::", "tests/test_decode.py::", "tests/test_plan.py::"
_PICTURES, _TEXT, _SPEC = "tests/fuzz/test_pictures.py::", "tests/fuzz/test_text.py::", "tests/test_spec.py::"

FAULTS = tuple(
    Fault(number, fault, tests)
    for number, (fault, *tests) in enumerate(
        [
            (
                "kill -9 of a run and all its workers, also of one that goes on",
                _CALLS + "test_a_kill_at_every_system_call",
                _KILLS,
                _GENERATE + "TestSignals::test_kill_9_leaves_nothing_torn_and_no_one_behind",
            ),
            (
                "kill -9 of one worker",
                _PROCESSES + "test_a_worker_is_killed",
                _EXECUTORS + "test_a_worker_that_is_killed_once_from_outside_costs_nothing",
            ),
            (
                "the Nth call to the system fails, for every N",
                _CALLS + "test_every_call_fails_in_turn",
                _CALLS + "test_every_system_call_fails_in_turn",
            ),
            (
                "a full disk, by bytes or by files",
                _DISKS + "test_a_full_disk_is_freed",
                _DISKS + "test_a_file_that_may_not_grow",
                _GENERATE + "test_a_full_disk_stops_the_run_and_it_goes_on",
                _GENERATE + "test_a_file_size_limit_stops_the_run_and_it_goes_on",
                _CALLS + "test_every_call_fails_in_turn",
            ),
            (
                "an output that can't be written to",
                _DISKS + "test_an_output_on_a_read_only_file_system",
                _GENERATE + "test_an_output_that_can_not_be_written",
            ),
            ("few open files", _LIMITS + "test_few_open_files", _LIMITS + "test_few_open_files_and_many_inputs"),
            (
                "the output is removed, or swapped for a link, during a run",
                _PLACES + "test_a_folder_is_swapped_for_a_link_during_a_run",
                _EXPAND + "TestFailures::test_an_output_that_is_removed_stops_the_run",
                _EXPAND + "TestFailures::test_an_output_that_vanishes_stops_the_run",
            ),
            ("an input vanishes, shrinks, grows or turns to something else during a run", _INPUTS + "test_an_input_changes_during_a_run"),
            ("inputs that may not be read", _GENERATE + "test_sources_that_can_not_be_read"),
            (
                "names that clash",
                _PLAN + "test_clashes_are_refused_and_both_named",
                _PLAN + "test_names_that_do_not_clash",
                _TEXT + "test_any_names_stay_below_the_output_and_apart",
            ),
            (
                "hostile names",
                _CONFINED,
                _TEXT + "test_any_names_stay_below_the_output_and_apart",
                _TARS + "test_a_hostile_name_costs_itself_alone",
                _GENERATE + "test_names_that_are_not_utf_8",
            ),
            ("links in circles and out of the root, pipes, devices", _INPUTS + "test_links_that_lead_in_circles_and_out"),
            (
                "hostile tars",
                _TARS + "test_a_size_that_lies_ends_the_list",
                _TARS + "test_hostile_headers_end_the_list_in_words",
                _TARS + "test_links_devices_and_sparse_files_are_left_out_with_a_note",
                _TARS + "test_members_without_bytes_take_no_memory",
                _TARS + "test_a_bomb_is_refused_and_leaves_nothing",
                _TARS + "test_any_cut_and_any_damage_ends_in_words",
                _CONFINED,
            ),
            (
                "SIGINT, SIGTERM, SIGHUP, a second SIGINT",
                _GENERATE + "TestSignals::test_a_signal_stops_and_the_same_command_goes_on",
                _PROCESSES + "test_a_stop_in_time",
                _PROCESSES + "test_a_second_interrupt",
                _KILLS,
                _EXECUTORS + "test_a_stop_ends_whatever_hangs",
            ),
            (
                "closed standard streams",
                _GENERATE + "TestStreams::test_closed_streams",
                _GENERATE + "TestStreams::test_a_reader_that_goes_away_loses_no_work",
            ),
            (
                "two runs into one output, and one after a kill",
                _EXPAND + "TestRefusals::test_two_runs_at_once",
                _KILLS,
            ),
            ("the clock jumps", _CLOCK + "test_the_clock_jumps", _CLOCK + "test_the_clock_of_the_system_jumps"),
            (
                "huge amounts",
                _LIMITS + "test_a_table_of_many_rows",
                _LIMITS + "test_a_plan_of_a_billion_copies",
                _PLAN + "test_a_billion_copies_are_one_row",
            ),
            ("bad numbers", _LIMITS + "test_bad_numbers_name_their_field", _SPEC + "test_mistakes_are_named"),
            ("memory that grows with the number of copies", _LIMITS + "test_memory_is_flat"),
            (
                "pictures that are bombs",
                _LIMITS + "test_bombs_take_no_memory",
                _PICTURES + "test_files_made_to_cost_much_are_refused_in_words",
                _DECODE + "test_refused_with_a_reason",
            ),
            (
                "a decoder that hangs",
                _EXECUTORS + "test_a_decoder_that_crashes_or_hangs_costs_its_source",
                _EXECUTORS + "test_a_hang_costs_only_the_part_that_it_is_in",
            ),
            ("another spec or seed for a set that is there", _EXPAND + "TestRefusals::test_another_spec_or_seed"),
            (
                "a damaged manifest",
                _MANIFESTS + "test_a_damaged_manifest",
                _MANIFESTS + "test_a_flipped_byte_in_the_manifest_changes_no_picture",
                _EXPAND + "TestRefusals::test_a_damaged_manifest",
            ),
            (
                "a pipe that is slow, and ends half way",
                _INPUTS + "test_a_pipe_that_is_slow_and_ends_half_way",
                "tests/test_sets.py::test_a_tar_that_is_cut_gives_what_is_whole",
            ),
        ],
        1,
    )
)
