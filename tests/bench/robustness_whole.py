"""Rows of docs/robustness.md about everything at once, and about the plane check by itself."""

from __future__ import annotations

from tests.bench.robustness_row import Bound, Row, zero


def _fault(claim: str, name: str, more: str = "") -> Row:
    at = f"faults.seconds_until_well.{name}"
    text = f"median {{{at}.well_s.median}} s, worst {{{at}.well_s.worst}} s{more.replace('@', at)}"
    return Row(claim, f"{{{at}.n}} x {{{at}.what}}", text, "whole_cart")


WHOLE = (
    Row(
        "Frames of ten minutes add up",
        "calm, {calm.seconds} s: {calm.video.written} frames of 1024x768 at 30/s",
        "{calm.video.dropped} dropped in the bridge, {calm.service.answers} answered, "
        "{calm.service.dropped_frames} dropped in the service, {calm.service.lost_frames} lost; "
        "unaccounted {calm.video.unaccounted} and {calm.service.unaccounted}",
        "whole_cart",
        (Bound("calm.video.unaccounted", "=", 0, "0 unaccounted"), Bound("calm.service.unaccounted", "=", 0, "")),
    ),
    Row(
        "Answers are young",
        "calm: /metrics each second, the view at each change",
        "largest p99 {calm.largest_p99_ms} ms, AI on for {calm.ai_on_share} of the time",
        "whole_cart",
    ),
    Row(
        "Memory does not grow",
        "calm: private memory of each process, after a fifth of the time",
        "service {calm.memory.serve.mb_per_minute}, inference {calm.memory.inference.mb_per_minute}, bridges "
        "{calm.memory.video.mb_per_minute} (video), {calm.memory.dicom.mb_per_minute} (DICOM), "
        "{calm.memory.cart.mb_per_minute} (cart) MB/min",
        "whole_cart",
        tuple(
            Bound(f"calm.memory.{name}.mb_per_minute", "<=", 1, "1 MB/min" if name == "serve" else "")
            for name in ("serve", "inference", "video", "dicom", "cart")
        ),
    ),
    Row(
        "Each press of a key is carried out once",
        "calm: the freeze key {calm.keys.freeze} times",
        "{calm.keys.orders} orders, {calm.keys.pictures} pictures, {calm.keys.lost} lost, {calm.keys.not_ok} refused",
        "whole_cart",
        (Bound("calm.keys.orders", "=", "calm.keys.freeze", "one each"), Bound("calm.keys.lost", "=", 0, "")),
    ),
    Row(
        "The cart's lamps say what the view says",
        "calm: compared each 50 ms",
        "otherwise for {calm.lamps_disagreed_s} s together, {calm.longest_disagreement_s} s at the longest",
        "whole_cart",
        (Bound("calm.longest_disagreement_s", "<=", 2, "2 s at the longest"),),
    ),
    _fault("Inference dies", "inference_killed"),
    _fault("Inference hangs", "inference_hung"),
    _fault("Video bridge dies", "video_bridge_killed"),
    _fault("DICOM bridge dies in a push", "dicom_bridge_killed"),
    _fault("Cart bridge dies", "cart_bridge_killed"),
    _fault("The cart's line is pulled", "line_pulled"),
    _fault("The cart reboots", "cart_rebooted"),
    _fault("The video stalls", "video_stalled", "; told after {@.told_s.worst} s at the latest"),
    _fault("Strangers at the DICOM port", "port_crowded", "; C-ECHO {@.echo_s.worst} s at the latest"),
    _fault("The plane check dies", "service_killed"),
    Row(
        "A press is answered through all faults",
        "with faults: the freeze key {faults.keys.freeze} times in all, the foot switch {faults.keys.foot} steps",
        "{faults.keys.lost} without an answer, {faults.keys.not_ok} answered that it could not be done",
        "whole_cart",
        zero("faults.keys.lost"),
    ),
    Row(
        "Stills acknowledged are in the exam",
        "both runs: {end.stills.acknowledged} acknowledged to storescu",
        "{end.stills.not_settled} not settled, {end.stills.settled_twice} twice, {end.stills_kept_lost} kept and lost",
        "whole_cart",
        (Bound("end.stills.not_settled", "=", 0, "0"), Bound("end.stills_kept_lost", "=", 0, "")),
    ),
    Row(
        "What a view showed is on the disk",
        "both runs: {end.captures_shown} captures in {end.views} views",
        "{end.captures_shown_lost} without a picture; {end.exams} exam; chain of {end.audit_entries} entries valid",
        "whole_cart",
        (Bound("end.captures_shown_lost", "=", 0, "0, one exam"), Bound("end.exams", "=", 1, "")),
    ),
    Row(
        "The page stands it",
        "both runs: headless Chromium, {end.page.views} views, {end.page.taps} taps",
        "{end.page.faults.count} errors of its code, {end.page.foreign_requests.count} foreign requests",
        "whole_cart",
        (Bound("end.page.faults.count", "=", 0, "0"), Bound("end.page.foreign_requests.count", "=", 0, "")),
    ),
)
PLANE_CHECK = (
    Row(
        "Results are back soon after inference died",
        "{rounds} times each killed, hung, out of memory, at 30 frames/s",
        "worst {time_back_s.killed.max}, {time_back_s.hung.max} and {time_back_s.memory.max} s; exam kept: {exam_kept}",
        "plane_check_faults",
        tuple(
            Bound(f"time_back_s.{name}.max", "<=", 2, "2 s" if name == "killed" else "")
            for name in ("killed", "hung", "memory")
        ),
    ),
    Row(
        "kill -9 of the service loses nothing it told",
        "{kills} kills under load; {orders_acknowledged} orders and {captures_shown} captures told",
        "{lost} lost; chain of {audit_entries} entries valid: {audit_valid}",
        "plane_check_kills",
        zero("lost"),
    ),
    Row(
        "kill -9 of a writer loses nothing it told",
        "{kills} kills; {acknowledged} acknowledgements",
        "{lost} lost; chain valid: {audit_valid}",
        "store",
        zero("lost"),
    ),
    Row(
        "30 frames/s for 10 minutes on two cores",
        "{plane_check.frames} frames of 1024x768 in {seconds} s",
        "p99 {plane_check.latency_ms.p99} ms, {plane_check.dropped} dropped and counted; "
        "{plane_check.memory.service.mb_per_minute} and {plane_check.memory.child.mb_per_minute} MB/min",
        "plane_check_sustained",
        (
            Bound("plane_check.latency_ms.p99", "<=", 100, "p99 100 ms"),
            Bound("plane_check.memory.service.mb_per_minute", "<=", 1, "1 MB/min"),
            Bound("plane_check.memory.child.mb_per_minute", "<=", 1, ""),
        ),
    ),
    Row(
        "Interleaved studies stay apart",
        "{frames} frames of {exams} exams, {turns} changes",
        "{in_the_wrong_exam} of {captures} captures in the wrong exam",
        "plane_check_studies",
        zero("in_the_wrong_exam"),
    ),
    Row(
        "A full disk refuses and loses nothing",
        "a real full file system; an I/O error; a file that may not grow",
        tests=("edge/test_store_space.py", "edge/test_desk_store.py"),
    ),
    Row(
        "A clock that jumps does no harm",
        "wall clocks of any order, far in the past and future",
        tests=("edge/test_exam_properties.py", "edge/test_desk_store.py"),
    ),
    Row(
        "A second service on a store is refused",
        "two processes",
        tests=("edge/test_serve.py",),
    ),
    Row(
        "Malformed messages: no crash, no 500",
        "10,000 of them",
        tests=("edge/page/test_malformed.py",),
    ),
)
