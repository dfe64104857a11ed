"""Rows of docs/robustness.md about the bridges, each by itself."""

from __future__ import annotations

from tests.bench.robustness_row import Bound, Row, zero

CART = (
    Row(
        "Requests are answered soon",
        "{requests.process.requests} to the C library on a socat pty pair, as many to the firmware in QEMU",
        "p99 {requests.process.p99_ms} ms and {requests.qemu.p99_ms} ms (worst {requests.qemu.worst_ms} ms)",
        "cart_link",
        (
            Bound("requests.process.p99_ms", "<=", 5, "p99 5 ms, both"),
            Bound("requests.qemu.p99_ms", "<=", 5, ""),
        ),
    ),
    Row(
        "A bad line loses, doubles and changes nothing",
        "{damaged.process.events} events over pty pairs and {damaged.qemu.events} to QEMU, 10 % of the frames damaged "
        "({damaged.process.hurt} and {damaged.qemu.hurt} frames)",
        "lost {damaged.process.lost} and {damaged.qemu.lost}, doubled {damaged.process.doubled} and "
        "{damaged.qemu.doubled}, wrong {damaged.process.wrong} and {damaged.qemu.wrong}",
        "cart_link",
        (
            Bound("damaged.process.lost", "=", 0, "0 of 100,000, both"),
            Bound("damaged.process.doubled", "=", 0, ""),
            Bound("damaged.process.wrong", "=", 0, ""),
            Bound("damaged.process.events", ">=", 100_000, ""),
            Bound("damaged.qemu.lost", "=", 0, ""),
            Bound("damaged.qemu.doubled", "=", 0, ""),
            Bound("damaged.qemu.wrong", "=", 0, ""),
            Bound("damaged.qemu.events", ">=", 100_000, ""),
        ),
    ),
    Row(
        "A pulled line is back soon",
        "{disconnects.process.disconnects} times the pty pair, {disconnects.qemu.disconnects} times QEMU's socket",
        "worst {disconnects.process.back_worst_s} s and {disconnects.qemu.back_worst_s} s",
        "cart_link",
        (
            Bound("disconnects.process.back_worst_s", "<=", 2, "2 s"),
            Bound("disconnects.qemu.back_worst_s", "<=", 2, ""),
        ),
    ),
    Row(
        "The firmware is small",
        "arm-none-eabi-size of the image for a Cortex-M3, its stack included",
        "{size.flash_bytes} bytes flash, {size.ram_bytes} bytes RAM",
        "cart_link",
        (
            Bound("size.flash_bytes", "<=", 16 * 1024, "16 KiB flash"),
            Bound("size.ram_bytes", "<=", 4 * 1024, "4 KiB RAM"),
        ),
    ),
    Row(
        "No input breaks the C library",
        "{fuzz.inputs} inputs of libFuzzer under {fuzz.sanitizers} sanitizers",
        "{fuzz.findings} findings",
        "cart_link",
        (
            Bound("fuzz.findings", "=", 0, "0 of 10 M"),
            Bound("fuzz.inputs", ">=", 10_000_000, ""),
        ),
    ),
    Row(
        "No input breaks the Python codec",
        "random streams and messages (hypothesis); the golden vectors, C's as well",
        tests=("firmware_bridge/cart/test_frames.py", "firmware_bridge/cart/test_c_frame.py"),
    ),
)
DICOM = (
    Row(
        "Stills are received fast enough",
        "storescu, {stills} stills of 800x600, fsync, one association, classified at the same time",
        "{one_association.images_per_s} images/s; {received_alone.images_per_s} where nobody classifies",
        "dicom_receive",
        (Bound("one_association.images_per_s", ">=", 50, "50 images/s"),),
    ),
    Row(
        "Colour stills take longer",
        "the same with {colour.screen}",
        "{colour.images_per_s} images/s; {colour.lost} lost, {colour.twice} twice, {colour.answered} answered",
        "dicom_receive",
        (*zero("colour.lost", "colour.twice"), Bound("colour.answered", ">=", "stills", "all answered, at any rate")),
    ),
    Row(
        "None is lost, each is classified",
        "the same {stills}, by name",
        "{one_association.lost} lost, {one_association.twice} twice, {one_association.answered} answered",
        "dicom_receive",
        (
            *zero("one_association.lost", "one_association.twice"),
            Bound("one_association.answered", ">=", "stills", "all answered"),
        ),
    ),
    Row(
        "Eight associations at once",
        "{stills} stills over 8",
        "{eight_associations.images_per_s} images/s, {eight_associations.lost} lost",
        "dicom_receive",
        (
            *zero("eight_associations.lost", "eight_associations.twice"),
            Bound("eight_associations.answered", ">=", "stills", ""),
        ),
    ),
    Row(
        "Strangers do not lock the scanner out",
        "{crowded.idle_sockets} idle sockets, {crowded.junk_connections} junk connections, {crowded.echoes} C-ECHO",
        "worst {crowded.worst_echo_s} s",
        "dicom_receive",
        (Bound("crowded.worst_echo_s", "<=", 0.5, "0.5 s"),),
    ),
    Row(
        "kill -9 loses nothing acknowledged",
        "the bridge killed in the middle of {stills}, started again",
        "{killed.acknowledged} acknowledged, {killed.acknowledged_lost} lost, {killed.twice} twice",
        "dicom_receive",
        zero("killed.acknowledged_lost", "killed.lost", "killed.twice"),
    ),
    Row(
        "A report arrives exactly once",
        "{objects} objects through {faults.count} faults of storescp, the sender killed {sender_kills} times",
        "{unique} of {objects} there, {waiting} waiting, {dead} given up",
        "dicom_send",
        (Bound("unique", "=", "objects", "all, each once"), Bound("dead", "=", 0, "")),
    ),
    Row(
        "A killed put leaves all or nothing",
        "kill -9 before each statement, {put_kills} times",
        "{put_torn} torn",
        "dicom_send",
        zero("put_torn"),
    ),
    Row(
        "Reports are valid for others",
        "dciodvfy, dsrdump, highdicom; Orthanc stores and returns them",
        tests=("firmware_bridge/dicom/test_sr.py", "firmware_bridge/dicom/test_send.py"),
    ),
    Row(
        "Chinese names are right or flagged",
        "GB18030, ISO_IR 192, ISO 2022 IR 58; a worklist server that drops the character set",
        tests=("firmware_bridge/dicom/test_texts.py", "firmware_bridge/dicom/test_worklist.py"),
    ),
    Row(
        "Text outside the region reaches no disk",
        "planted pixels, then every file of bridge and service searched",
        tests=("firmware_bridge/dicom/test_planted.py",),
    ),
)
IMAGES = (
    Row(
        "60 frames/s from pyigtl",
        "{pyigtl.sent} frames of 1024x768, {pyigtl.sent_per_s}/s sent",
        "{pyigtl.taken_by_the_service} taken by the service, the others counted by the bridge; "
        "{pyigtl.classified} classified, {pyigtl.dropped_in_the_service} dropped in the service",
        "igtl_stream",
        (Bound("pyigtl.sent_per_s", ">=", 59, "60/s"),),
    ),
    Row(
        "60 frames/s from the C++ library",
        "{cpp.sent} frames of 1024x768, {cpp.sent_per_s}/s sent",
        "{cpp.taken_by_the_service} taken by the service, the others counted by the bridge; "
        "{cpp.classified} classified, {cpp.dropped_in_the_service} dropped in the service",
        "igtl_stream",
        (Bound("cpp.sent_per_s", ">=", 59, "60/s"),),
    ),
    Row(
        "A wrong CRC is never delivered",
        "{strangers.wrong_crc} images with one",
        "{strangers.wrong_crc_delivered} delivered, {bridge.damaged} damaged messages counted, the malformed ones' too",
        "igtl_stream",
        (
            Bound("strangers.wrong_crc_delivered", "=", 0, "0, each counted"),
            Bound("bridge.damaged", ">=", "strangers.wrong_crc", ""),
        ),
    ),
    Row(
        "A header that claims 2^62 bytes is refused at once",
        "{strangers.claims} times",
        "p50 {strangers.claim_refused_ms.p50} ms, largest {strangers.claim_refused_ms.largest} ms",
        "igtl_stream",
        (Bound("strangers.claim_refused_ms.largest", "<=", 100, "100 ms"),),
    ),
    Row(
        "Bad messages do not end it",
        "{strangers.bad_messages} of them, then the C++ library's stream over the same bridge",
        "{cpp.classified} of {cpp.sent} classified after them",
        "igtl_stream",
        (Bound("strangers.bad_messages", ">=", 100_000, "100,000"), Bound("cpp.classified", ">=", 1, "")),
    ),
    Row(
        "A video of 60 frames/s",
        "{stream.written} frames of 1280x720 from GStreamer through a pipe",
        "{stream.bridge.sent} taken by the service, {stream.bridge.dropped} dropped before it, "
        "{stream.service.answers} answered: all counted",
        "video_stream",
        (Bound("stream.written_per_s", ">=", 59, "60/s"),),
    ),
    Row(
        "A signal that goes or stands still is told",
        "{rounds} rounds: pipe stalled, writer killed, picture frozen, bridge killed",
        "largest {seconds.stalled.largest}, {seconds.gone.largest}, {seconds.frozen.largest} and "
        "{seconds.bridge_killed.largest} s",
        "video_stream",
        (
            Bound("seconds.stalled.largest", "<=", 0.5, "0.5 s, but for the killed bridge"),
            Bound("seconds.gone.largest", "<=", 0.5, ""),
            Bound("seconds.frozen.largest", "<=", 0.5, ""),
        ),
    ),
    Row(
        "A video device that vanishes",
        "Debian's kernel with `vivid` in QEMU: standing still, no frames, unplugged, plugged in",
        tests=("firmware_bridge/video/test_vivid.py",),
        is_nightly=True,
    ),
)
