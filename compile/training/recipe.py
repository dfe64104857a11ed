"""Everything that decides a training run, in one value that stands in the log and in the model card."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from compile.training.augment import Augmentation
from edge.files import sha256_from_bytes

NOT_STANDARD = "not_standard"
OPTIMIZERS = ("adamw", "sgd")
KINDS = ("kd", "dkd", "dist")


@dataclass(frozen=True)
class Phase:
    """A part of the schedule at one input size.

    Attributes:
        epochs: how many.
        size_px: side of the training input.
    """

    epochs: int
    size_px: int


@dataclass(frozen=True)
class Distillation:
    """What teachers add to the loss.

    Attributes:
        teachers: kind or file name and SHA-256 of each.
        kind: "kd", "dkd" or "dist", on the logits.
        weight: of that loss.
        label_weight: of the cross-entropy with the labels.
        temperature: of both sides' probabilities.
        feature_weight: of the stage maps' loss; 0 for none.
        dkd_alpha: DKD's weight of the target class.
        dkd_beta: DKD's weight of the other classes.
        unlabelled: share of a batch without labels, where there are such images.
        views: crops of each image that are kept with the teachers' answers; 0: every step has new ones.
    """

    teachers: tuple[str, ...]
    kind: str = "kd"
    weight: float = 1.0
    label_weight: float = 0.5
    temperature: float = 2.0
    feature_weight: float = 0.0
    dkd_alpha: float = 1.0
    dkd_beta: float = 2.0
    unlabelled: float = 0.15
    views: int = 0


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        model: zoo name.
        labels: planes to learn, in the order of the logits; the reject label follows them.
        rejects: labels of images that teach the reject label; images of any other label have none.
        unflipped: planes that no horizontal flip keeps: the vessels' order from left to right names them.
        phases: schedule, in order; the model is made for the last one's input size.
        batch: images a step, over all processes.
        optimizer: "adamw" or "sgd" (Nesterov).
        lr: peak learning rate, reached after `warmup_epochs`, then a cosine to zero.
        momentum: of SGD.
        weight_decay: on matrices and kernels.
        scan_decay: whether it pulls at a scan's time-step biases and state matrix as well, as it did when what ships
            was trained; Mamba spares them.
        warmup_epochs: linear rise of the learning rate; at most half of the schedule.
        label_smoothing: of the cross-entropy.
        mixup: parameter of the Beta distribution; 0 for none.
        drop_path: stochastic depth of the last block.
        ema: decay of the averaged weights, which are the ones that ship; less over the first steps.
        balance: exponent of the class frequency in sampling; 0 as it is, 1 all classes alike.
        negatives: share of a batch that is synthetic and no plane.
        clip: largest norm of the gradient.
        seed: of everything random.
        initial: kind and SHA-256 of the weights that the run starts from; empty for fresh ones.
        augmentation: ranges.
        distillation: teachers; None for plain training.
    """

    model: str = "edge_n"
    labels: tuple[str, ...] = (
        "abdomen",
        "brain_transthalamic",
        "brain_transventricular",
        "brain_transcerebellar",
        "femur",
        "thorax",
        "profile_standard",
    )
    rejects: tuple[str, ...] = ("profile_nonstandard", "cervix", "other", "not_standard")
    unflipped: tuple[str, ...] = ("LVOT", "RVOT", "3VT")
    phases: tuple[Phase, ...] = (Phase(90, 160), Phase(25, 224))
    batch: int = 32
    optimizer: str = "adamw"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.05
    scan_decay: bool = True
    warmup_epochs: int = 5
    label_smoothing: float = 0.1
    mixup: float = 0.2
    drop_path: float = 0.1
    ema: float = 0.998
    balance: float = 0.7
    negatives: float = 0.08
    clip: float = 1.0
    seed: int = 0
    initial: str = ""
    augmentation: Augmentation = field(default_factory=Augmentation)
    distillation: Distillation | None = None

    @property
    def epochs(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def size_px(self) -> int:
        """Side of the input that the model is made for."""
        return self.phases[-1].size_px

    @property
    def digest(self) -> str:
        """SHA-256 over every field, hexadecimal."""
        return sha256_from_bytes(json.dumps(asdict(self), sort_keys=True).encode())

    def shares(self, unlabelled: int) -> tuple[int, int, int]:
        """Images of a batch with labels, without, and synthetic ones, where there are that many without labels."""
        synthetic = round(self.batch * self.negatives)
        without = round(self.batch * self.distillation.unlabelled) if self.distillation and unlabelled else 0
        return self.batch - synthetic - without, without, synthetic

    def steps(self, images: int, unlabelled: int) -> int:
        """Steps of an epoch over that many labelled images; they are drawn again where they are fewer than a batch."""
        return max(1, images // self.shares(unlabelled)[0])

    def input_px(self, epoch: int) -> int:
        """Input side in an epoch, counted from 0."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase.size_px
            epoch -= phase.epochs
        return self.phases[-1].size_px
