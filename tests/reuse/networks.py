"""Networks of the field in small: segmentation, efficient classification, blocks of both."""

import flax.linen as nn
import jax
import jax.numpy as jnp


def resized(x, like, method="bilinear"):
    return jax.image.resize(x, (*like.shape[:3], x.shape[3]), method)


class Block(nn.Module):
    """A convolution, normalized as in inference."""

    channels: int

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(self.channels, (3, 3), use_bias=False)(x)
        return nn.relu(nn.BatchNorm(use_running_average=True)(x))


class UNet(nn.Module):
    """Maps shrink and grow again; skips meet them by concatenation."""

    up: str = "transposed"  # or a method of jax.image.resize

    @nn.compact
    def __call__(self, x):
        skips = []
        for channels in (4, 6):
            x = Block(channels)(x)
            skips.append(x)
            x = nn.max_pool(x, (2, 2), (2, 2))
        x = Block(8)(x)
        for skip in reversed(skips):
            channels = skip.shape[-1]
            if self.up == "transposed":
                x = nn.ConvTranspose(channels, (2, 2), (2, 2))(x)
            else:
                x = nn.Conv(channels, (1, 1))(resized(x, skip, self.up))
            x = Block(channels)(jnp.concatenate([skip, x], -1))
        return nn.log_softmax(nn.Conv(3, (1, 1))(x))


class SqueezeExcite(nn.Module):
    """Channels are weighted by what the whole frame has in them."""

    @nn.compact
    def __call__(self, x):
        gate = nn.relu(nn.Conv(2, (1, 1))(x.mean((1, 2), keepdims=True)))
        return x * nn.sigmoid(nn.Conv(x.shape[-1], (1, 1))(gate))


class MBConv(nn.Module):
    """An inverted residual."""

    channels: int
    stride: int = 1
    expand: int = 3
    kernel: int = 3
    gated: bool = False
    act: str = "relu6"

    @nn.compact
    def __call__(self, x):
        act = getattr(nn, self.act)

        def norm(y):
            return nn.BatchNorm(use_running_average=True)(y)

        wide = self.expand * x.shape[-1]
        y = act(norm(nn.Conv(wide, (1, 1), use_bias=False)(x)))
        size = (self.kernel, self.kernel)
        y = nn.Conv(wide, size, self.stride, feature_group_count=wide, use_bias=False)(y)
        y = act(norm(y))
        if self.gated:
            y = SqueezeExcite()(y)
        y = norm(nn.Conv(self.channels, (1, 1), use_bias=False)(y))
        return x + y if x.shape == y.shape else y


class MobileNet(nn.Module):
    """A stem, inverted residuals and a classifier."""

    blocks: tuple
    act: str = "relu6"
    classes: int = 5

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3), 2, use_bias=False)(x)
        x = getattr(nn, self.act)(nn.BatchNorm(use_running_average=True)(x))
        for block in self.blocks:
            x = MBConv(**block)(x)
        x = nn.Dense(8)(x).mean((1, 2))
        return nn.Dense(self.classes)(nn.Dropout(0.2, deterministic=True)(x))


def mobilenet_v2():
    blocks = ({"channels": 4}, {"channels": 6, "stride": 2}, {"channels": 6})
    return MobileNet(blocks)


def mobilenet_v3():
    blocks = (
        {"channels": 4, "act": "relu"},
        {"channels": 6, "stride": 2, "kernel": 5, "gated": True, "act": "hard_swish"},
        {"channels": 6, "gated": True, "act": "hard_swish"},
    )
    return MobileNet(blocks, "hard_swish")


def efficientnet():
    blocks = (
        {"channels": 4, "gated": True, "act": "silu"},
        {"channels": 6, "stride": 2, "gated": True, "act": "silu"},
    )
    return MobileNet(blocks, "silu")


class ConvNeXt(nn.Module):
    """Patches, then blocks of depthwise 7x7 convolutions, normalized over channels."""

    @nn.compact
    def __call__(self, x):
        for channels, patch in ((6, 4), (8, 2)):
            x = nn.LayerNorm()(nn.Conv(channels, (patch, patch), patch, padding="VALID")(x))
            for i in range(2):
                y = nn.Conv(channels, (7, 7), feature_group_count=channels)(x)
                y = nn.Dense(channels)(nn.gelu(nn.Dense(2 * channels)(nn.LayerNorm()(y))))
                scale = self.param(f"scale_{channels}_{i}", nn.initializers.constant(0.5), channels)
                x = x + scale.reshape(1, 1, 1, -1) * y
        return nn.Dense(4)(nn.LayerNorm()(x.mean((1, 2))))


class DeepLab(nn.Module):
    """Parallel dilated convolutions and the whole frame's mean, resized to the frame."""

    @nn.compact
    def __call__(self, frame):
        low = nn.relu(nn.Conv(4, (3, 3), 2)(frame))
        x = nn.relu(nn.Conv(6, (3, 3), 2)(low))
        branches = [nn.relu(nn.Conv(4, (1, 1))(x))]
        branches += [nn.relu(nn.Conv(4, (3, 3), kernel_dilation=d)(x)) for d in (2, 4)]
        mean = nn.relu(nn.Conv(4, (1, 1))(x.mean((1, 2), keepdims=True)))
        branches.append(resized(mean, x))
        x = nn.relu(nn.Conv(6, (1, 1))(jnp.concatenate(branches, -1)))
        x = jnp.concatenate([resized(x, low), nn.Conv(2, (1, 1))(low)], -1)
        return resized(nn.Conv(3, (3, 3))(x), frame)


class PyramidGate(nn.Module):
    """Maps of three sizes that are added up, and one that decides what of another passes."""

    @nn.compact
    def __call__(self, x):
        maps = [nn.relu(nn.Conv(4, (3, 3))(x))]
        for _ in range(2):
            maps.append(nn.relu(nn.Conv(4, (3, 3), 2)(maps[-1])))
        low = jnp.repeat(jnp.repeat(maps[2], 2, 1), 2, 2)
        middle = (nn.Conv(4, (1, 1))(maps[1]) + low) / 2
        gate = nn.relu(nn.Conv(3, (1, 1))(maps[0]) + nn.Conv(3, (1, 1))(resized(middle, x)))
        high = maps[0] * nn.sigmoid(nn.Conv(1, (1, 1))(gate))
        return {"high": nn.Conv(2, (3, 3))(high), "pyramid": (middle, maps[2].mean((1, 2)))}


NETWORKS = {
    "U-Net": UNet(),
    "U-Net, bilinear": UNet("bilinear"),
    "U-Net, nearest": UNet("nearest"),
    "MobileNetV2": mobilenet_v2(),
    "MobileNetV3": mobilenet_v3(),
    "EfficientNet": efficientnet(),
    "ConvNeXt": ConvNeXt(),
    "DeepLab": DeepLab(),
    "pyramid and gate": PyramidGate(),
}
