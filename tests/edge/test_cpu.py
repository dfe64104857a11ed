from __future__ import annotations

from edge.cpu import cpu_from_text

X86 = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_vnni\n\nprocessor\t: 1\nflags\t\t: other\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp\n"


def test_the_first_x86_processor_is_read() -> None:
    cpu = cpu_from_text("x86_64", X86)
    assert (cpu.model, cpu.features, cpu.saturates) == ("AMD EPYC", {"fpu", "avx2", "avx512_vnni"}, False)


def test_arm_names_its_features_otherwise() -> None:
    cpu = cpu_from_text("aarch64", ARM)
    assert "asimddp" in cpu.features
    assert not cpu.saturates


def test_no_text_is_no_feature() -> None:
    assert cpu_from_text("riscv64", "").features == frozenset()


def test_x86_without_vnni_saturates() -> None:
    assert cpu_from_text("x86_64", X86.replace("avx512_vnni", "")).saturates
