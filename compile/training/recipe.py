"""Everything that decides a training run, in one value that stands in the log and in the model card."""

from __future__ import annotations

from dataclasses import dataclass, field

from compile.training.augment import Augmentation

NOT_STANDARD = "not_standard"


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
class Recipe:
    """A training run.

    Attributes:
        model: zoo name.
        labels: planes to learn, in the order of the logits; the reject label follows them.
        rejects: labels of images that teach the reject label; images of any other label are not used.
        phases: schedule, in order.
        size_px: side of the input the model is made for.
        batch: images a step.
        lr: peak learning rate of AdamW, reached after `warmup_epochs`, then a cosine to zero.
        weight_decay: of AdamW, on matrices only.
        warmup_epochs: linear rise of the learning rate.
        label_smoothing: of the cross-entropy.
        mixup: parameter of the Beta distribution; 0 for none.
        drop_path: stochastic depth of the last block.
        ema: decay of the averaged weights, which are the ones that ship.
        balance: exponent of the class frequency in sampling; 0 as it is, 1 all classes alike.
        negatives: share of a batch that is synthetic and no plane.
        clip: largest norm of the gradient.
        seed: of everything random.
        augmentation: ranges.
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
    rejects: tuple[str, ...] = ("profile_nonstandard", "cervix", "other")
    phases: tuple[Phase, ...] = (Phase(90, 160), Phase(25, 224))
    size_px: int = 224
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup_epochs: int = 5
    label_smoothing: float = 0.1
    mixup: float = 0.2
    drop_path: float = 0.1
    ema: float = 0.998
    balance: float = 0.7
    negatives: float = 0.08
    clip: float = 1.0
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def epochs(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def drawn(self) -> int:
        """Real images in a batch; the others are synthetic."""
        return self.batch - round(self.batch * self.negatives)

    def steps(self, images: int) -> int:
        """Steps of an epoch over that many real images; images are drawn again where they are fewer than a batch."""
        return max(1, images // self.drawn())

    def input_px(self, epoch: int) -> int:
        """Input side in an epoch, counted from 0."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase.size_px
            epoch -= phase.epochs
        return self.phases[-1].size_px
