"""The words of a report in English and Chinese: one table for paper and FHIR.

In: a state, a step, a source. Out: both words. A state never stands by its colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.exam_state import PlaneState

Words = tuple[str, str]  # English, Chinese

TITLE: Words = ("Standard-plane checklist", "标准切面核对单")
SUBTITLE: Words = (
    "Which planes were stored. It says nothing about normal or abnormal.",
    "仅记录切面采集情况，不涉及正常或异常的判断。",
)

STATES: Mapping[str, Words] = {
    PlaneState.MISSING: ("missing", "未采集"),
    PlaneState.CANDIDATE: ("candidate", "疑似"),
    PlaneState.CAPTURED: ("captured", "已采集"),
    PlaneState.CAPTURED_LOW: ("captured, low quality", "已采集（质量低）"),
    PlaneState.CONFIRMED: ("confirmed by the user", "已人工确认"),
    PlaneState.NOT_OBTAINABLE: ("not obtainable", "无法获取"),
    PlaneState.NOT_COVERED: ("not covered by this model", "本模型未覆盖"),
}
CONFIDENCES: Mapping[str | None, Words] = {
    "low": ("low", "低"),
    "medium": ("medium", "中"),
    "high": ("high", "高"),
    None: ("not measured", "未测定"),
}
SOURCES: Mapping[str, Words] = {
    "machine": ("automatic", "自动"),
    "freeze": ("freeze key", "冻结键"),
    "store": ("sent still", "存图"),
    "": ("", ""),
}
REASONS: Mapping[str, Words] = {  # codes of the page (edge/page/static/texts.js); what the user typed stays as typed
    "fetal_position": ("fetal position", "胎位影响"),
    "acoustic_shadow": ("acoustic shadow or maternal habitus", "声影或孕妇体型影响"),
    "gestational_age": ("gestational age", "孕周不合适"),
    "other": ("other reason", "其他原因"),
}
PHASES: Mapping[str, Words] = {
    "running": ("not ended", "未结束"),
    "paused": ("paused", "已暂停"),
    "ended": ("ended", "已结束"),
}
LABELS: Mapping[str, Words] = {
    "patient": ("Patient", "患者"),
    "study": ("Study", "检查号"),
    "exam": ("Exam", "记录号"),
    "operator": ("Operator", "操作者"),
    "unauthenticated": ("unauthenticated", "未登记"),
    "opened": ("Opened", "开始"),
    "ended": ("Ended", "结束"),
    "protocol": ("Protocol", "方案"),
    "model": ("Model", "模型"),
    "fetus": ("Fetus", "胎儿"),
    "scanner": ("Scanner", "设备"),
    "confidence": ("confidence", "置信度"),
    "by": ("by", "操作者"),
    "reason": ("reason", "原因"),
    "weak": ("weak picture", "图像质量低"),
    "no_picture": ("no picture", "无图像"),
    "saved_elsewhere": ("saved on the scanner", "图像在设备上"),
    "optional": ("optional", "可选"),
    "page": ("page", "页"),
    "tray": ("frames without a plane", "未归类图像"),
    "words": ("entries by the user", "用户操作"),
    "unmeasured_scanner": ("not measured on this scanner", "未在此设备上验证"),
    "demo": ("DEMONSTRATION: not a patient's examination", "演示：非患者检查"),
    "no_marks": (
        "The model's watermark was not recorded with this exam.",
        "本次检查未记录模型水印。",
    ),
    "no_later_marks": (
        "The watermark of a later model was not recorded with this exam.",
        "未记录后续模型的水印。",
    ),
    "incomplete": ("{left} of {required} required planes still open", "{required}项必需切面中{left}项未完成"),
    "complete": ("All {required} required planes are done", "{required}项必需切面均已完成"),
}
STEPS_NOTE: Words = (
    "Confidence is a step of the model's calibrated probability, not an error rate. Times are UTC.",
    "置信度为模型校准概率的分级，并非错误率。时间为UTC。",
)


def both(words: Words) -> str:
    """Both words on one line."""
    return f"{words[0]} / {words[1]}"


def reason_text(reason: str) -> str:
    """Why a plane was not obtainable, for people: a code of the page in both languages, else the user's words."""
    return " ".join(REASONS[reason]) if reason in REASONS else reason
