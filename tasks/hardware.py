"""What of this machine can change the last bits of a sum: the processor, its instruction sets, a GPU, limits on them."""

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VECTOR_FLAGS = ("amx", "asimd", "avx", "bf16", "f16c", "fma", "i8mm", "neon", "sse4", "sve")
"""How the instruction sets begin that numerical libraries choose their code by."""

LIMITS = ("ATEN_CPU_CAPABILITY", "CUDA_VISIBLE_DEVICES", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA",
          "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")  # fmt: skip
"""Environment variables that make a library compute as on another machine."""


def hardware() -> dict[str, Any]:
    """What a numerical library sees of this machine; `cores` are those that this process may use."""
    information = _cpuinfo()
    return {
        "architecture": platform.machine(),
        "processor": information.get("model name") or _mac_processor() or platform.processor() or "unknown",
        "instruction_sets": _vector(information.get("flags") or information.get("Features") or ""),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpus": _gpus(),
        "limits": {name: os.environ[name] for name in LIMITS if name in os.environ},
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for each property that was another."""
    changed = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    return [f"{name.replace('_', ' ')}: {_change(then.get(name), now.get(name))}" for name in changed]


def _change(then: object, now: object) -> str:
    if isinstance(then, list) and isinstance(now, list):
        gone, come = sorted(set(then) - set(now)), sorted(set(now) - set(then))
        return ", ".join([*(f"{name} only then" for name in gone), *(f"{name} only now" for name in come)])
    return f"{_said(then)} then, {_said(now)} now"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in sorted(value.items())) or "none"
    return "none" if value is None else str(value)


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines in /proc/cpuinfo (Linux only)."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines() if file.is_file() else []
    pairs = [line.partition(":") for line in lines]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _vector(flags: str) -> list[str]:
    return sorted(flag for flag in flags.split() if flag.startswith(VECTOR_FLAGS))


def _mac_processor() -> str:
    if platform.system() != "Darwin":
        return ""
    asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _gpus() -> list[str]:
    """The models of NVIDIA's GPUs, as its driver tells them (Linux only)."""
    told = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    lines = [line for file in told for line in file.read_text(encoding="utf-8").splitlines()]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
