"""The shipped network on a GPU compared with others: parity, speed, and hardware limits.

    python -m benchmarks.gpu --out gpu.json --page docs/gpu.md
    python -m benchmarks.gpu --device cpu --seconds 0.1 --out trial.json     # without a GPU

Takes at most five minutes on one GPU. Parity: each available engine and precision against PyTorch
in float32 on the CPU. Speed: one image, and the batch size with the most images per second,
compared with a matrix product and a copy. Training: one step of the trunk at several batch sizes.
`python -m benchmarks.node_latency` with `device:=cuda` measures the node.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.command_line import new_parser, new_report, write_report
from benchmarks.machine import load_average
from benchmarks.markdown import machine_lines, paragraph, significant, table
from benchmarks.speed_networks import OUR_NETWORK, SHIPPED, Size, build_network
from benchmarks.speed_worker import make_image
from ghost_vpr_ros.core.config.engine import EngineConfig
from ghost_vpr_ros.core.engine import create_engine
from ghost_vpr_ros.core.errors import GhostVprError
from ghost_vpr_ros.core.model.default_weights import default_weights, load_default_model
from ghost_vpr_ros.core.preprocessing import input_pixels

OTHERS = (OUR_NETWORK, 'CosPlace-R18-512', 'CosPlace-R50-512', 'VGG16-NetVLAD')
OTHER_SIZE = Size(640, 480)
BATCHES = (1, 4, 16, 64, 256, 1024)
TRAINING_BATCHES = (32, 128, 512)
PARITY_IMAGES = 16
MATRIX = 4096
COPY_MIB = 256
WARM_UP = 3


class Device:
    """The measured device, with timing that waits for its work."""

    def __init__(self, name: str, seconds: float) -> None:
        """Set the device and the time of a measurement.

        Args:
            name: cuda, cuda:N or cpu.
            seconds: of one measurement.
        """
        self.torch = torch.device(name)
        self.is_gpu = self.torch.type == 'cuda'
        self._seconds = seconds

    def wait(self) -> None:
        """Wait until all work is done."""
        if self.is_gpu:
            torch.cuda.synchronize(self.torch)

    def milliseconds(self, run: Callable[[], object]) -> float:
        """Median of one run, after a warm-up."""
        for _ in range(WARM_UP):
            run()
        self.wait()
        found: list[float] = []
        began = time.perf_counter()
        while not found or time.perf_counter() - began < self._seconds:
            started = time.perf_counter()
            run()
            self.wait()
            found.append(1e3 * (time.perf_counter() - started))
        return float(np.median(found))

    def peak_mib(self) -> float:
        """Peak memory of the device since the last call; NaN on a CPU."""
        if not self.is_gpu:
            return float('nan')
        peak = torch.cuda.max_memory_allocated(self.torch) / 2**20
        torch.cuda.reset_peak_memory_stats(self.torch)
        return float(peak)


def parity(device: Device) -> Iterator[dict[str, Any]]:
    """Least cosine of each engine to PyTorch in float32 on the CPU, and the time of one image."""
    pixels = _parity_pixels()
    with torch.inference_mode():
        network = build_network(SHIPPED, OTHER_SIZE, 'whole')
        expected = network(torch.from_numpy(pixels)).numpy()
    kinds = ('torch', 'onnxruntime', 'tensorrt') if device.is_gpu else ('torch', 'onnxruntime')
    for engine in kinds:
        for precision in ('float32', 'half'):
            row: dict[str, Any] = {'engine': engine, 'precision': precision}
            config = EngineConfig(
                engine=engine, device=str(device.torch), inference_precision=precision
            )
            try:
                running = create_engine(default_weights(), config)
            except (GhostVprError, RuntimeError) as error:
                yield {**row, 'why_not': str(error).splitlines()[0]}
                continue
            found = np.concatenate(
                [running.describe(pixels[i : i + 1]) for i in range(len(pixels))]
            )
            row['least_cosine'] = float((found * expected).sum(axis=1).min())
            row['one_image_ms'] = device.milliseconds(partial(running.describe, pixels[:1]))
            running.close()
            yield row


def _parity_pixels() -> NDArray[np.uint8]:
    """(PARITY_IMAGES, h, w, 3) uint8 inputs from images of random blocks."""
    config = load_default_model().preprocessing
    rng = np.random.default_rng(0)
    images = [make_image(640, 480, rng)[0] for _ in range(PARITY_IMAGES)]
    return np.concatenate([input_pixels(image, config)[None] for image in images])


def speed(device: Device, name: str) -> dict[str, Any]:
    """One image and several batch sizes, in half precision on a GPU and float32 on a CPU."""
    network = build_network(name, OTHER_SIZE, 'whole').to(device.torch)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size = network.size
    kind = torch.float16 if device.is_gpu else torch.bfloat16
    row: dict[str, Any] = {'network': name, 'size': str(size), 'images_per_s': {}}
    for batch in BATCHES if device.is_gpu else BATCHES[:2]:
        rng = np.random.default_rng(0)
        pixels = torch.from_numpy(make_image(size.width_px, size.height_px, rng))
        pixels = pixels.expand(batch, -1, -1, -1).contiguous().to(device.torch)

        def run(pixels: Tensor = pixels) -> Tensor:
            with (
                torch.inference_mode(),
                torch.autocast(device.torch.type, kind, enabled=device.is_gpu),
            ):
                found: Tensor = network(pixels)
            return found

        try:
            milliseconds = device.milliseconds(run)
        except torch.OutOfMemoryError:
            break
        row['images_per_s'][str(batch)] = 1e3 * batch / milliseconds
        row['peak_mib'] = device.peak_mib()
        if batch == 1:
            row['one_image_ms'] = milliseconds
            row['gflop'] = _gflop(run)
    return row


def _gflop(run: Callable[[], object]) -> float:
    """Floating-point operations of one run, in 10^9."""
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops() / 1e9)


def ceilings(device: Device) -> dict[str, float]:
    """Limits of the device: throughput of a matrix product and of a memory copy."""
    side = MATRIX if device.is_gpu else MATRIX // 8
    kind = torch.float16 if device.is_gpu else torch.float32
    matrix = torch.rand(side, side, device=device.torch).to(kind)
    product_ms = device.milliseconds(lambda: matrix @ matrix)
    source = torch.zeros(COPY_MIB * 2**20, dtype=torch.uint8, device=device.torch)
    target = torch.empty_like(source)
    copy_ms = device.milliseconds(lambda: target.copy_(source))
    return {
        'tflop_per_s': 2.0 * side**3 / product_ms / 1e9,
        'gb_per_s': 2.0 * len(source) / copy_ms / 1e6,
    }


def training_steps(device: Device) -> Iterator[dict[str, Any]]:
    """Forward, backward and optimiser of the shipped trunk, views of 224 px."""
    trunk = load_default_model().backbone.train().requires_grad_(True).to(device.torch)
    trunk = trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(trunk.parameters(), lr=1e-6)
    for batch in TRAINING_BATCHES if device.is_gpu else (2,):
        views = torch.rand(batch, 3, 224, 224, device=device.torch)
        views = views.contiguous(memory_format=torch.channels_last)

        def step(views: Tensor = views) -> None:
            with torch.autocast(device.torch.type, torch.bfloat16, enabled=device.is_gpu):
                loss = trunk(views).float().square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        try:
            milliseconds = device.milliseconds(step)
        except torch.OutOfMemoryError:
            return
        yield {
            'batch': batch,
            'step_ms': milliseconds,
            'views_per_s': 1e3 * batch / milliseconds,
            'peak_mib': device.peak_mib(),
        }


def measure(name: str, seconds: float) -> dict[str, Any]:
    """The figures of the report.

    Raises:
        DeviceError: there is no such device.
    """
    device = Device(name, seconds)
    device_name = torch.cuda.get_device_name(device.torch) if device.is_gpu else 'the CPU'
    return {
        'load': load_average(),
        'device': device_name,
        'ceilings': ceilings(device),
        'parity': list(parity(device)),
        'networks': [speed(device, network) for network in (SHIPPED, *OTHERS)],
        'training': list(training_steps(device)),
    }


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    ceiling = report['ceilings']
    lines = ['# On a GPU', '', f'Device: {report["device"]}.', '', *machine_lines(report)]
    lines += paragraph(
        f'The device multiplies matrices at {ceiling["tflop_per_s"]:.3g} TFLOP/s and copies at '
        f'{ceiling["gb_per_s"]:.3g} GB/s.'
    )
    lines += ['', '## The same descriptors', '']
    lines += table(
        ['engine', 'precision', 'least cosine to float32 on the CPU', 'one image, ms'],
        [
            [r['engine'], r['precision'], r['why_not'], '']
            if 'why_not' in r
            else [
                r['engine'],
                r['precision'],
                f'{r["least_cosine"]:.5f}',
                significant(r['one_image_ms']),
            ]
            for r in report['parity']
        ],
    )
    lines += ['', '## Speed', '']
    columns = [
        'network',
        'input',
        'one image, ms',
        'best images/s (batch)',
        'of the product',
        'MiB',
    ]
    lines += table(columns, [_speed_row(row, ceiling) for row in report['networks']])
    lines += ['', '## A step of training the shipped trunk, views of 224 px', '']
    lines += table(
        ['batch', 'step, ms', 'views/s', 'MiB'],
        [
            [str(r['batch']), *(significant(r[k]) for k in ('step_ms', 'views_per_s', 'peak_mib'))]
            for r in report['training']
        ],
    )
    return '\n'.join([*lines, ''])


def _speed_row(row: dict[str, Any], ceiling: dict[str, float]) -> list[str]:
    batch, best = max(row['images_per_s'].items(), key=lambda item: item[1])
    share = row['gflop'] * best / 1e3 / ceiling['tflop_per_s']
    return [
        row['network'],
        row['size'],
        significant(row['one_image_ms']),
        f'{best:.0f} ({batch})',
        f'{100.0 * share:.0f} %',
        significant(row['peak_mib']),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the report; 1 without the device."""
    parser = new_parser(__doc__)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--seconds', type=float, default=2.0, help='for each figure')
    parser.add_argument('--out', type=Path, required=True, help='JSON to write')
    parser.add_argument('--page', type=Path, help='Markdown to write')
    args = parser.parse_args(arguments)
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        sys.stderr.write(
            'benchmarks.gpu: error: expected a CUDA device, found none; `--device cpu` is a trial '
            'without one\n'
        )
        return 1
    report = new_report('gpu', measure(args.device, args.seconds), 'benchmarks.gpu', arguments)
    write_report(args.out, report)
    if args.page:
        args.page.write_text(page(report), encoding='utf-8')
    sys.stdout.write(f'{args.out}: {report["device"]}\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
