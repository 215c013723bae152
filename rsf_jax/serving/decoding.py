"""Makes frames of what clients send, and looks at its size before anything is decoded."""

import io
import warnings
from collections.abc import Iterator

import av
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rsf_jax.errors import InputError
from rsf_jax.media.filters import Filters
from rsf_jax.media.pictures import Shaper
from rsf_jax.media.still import eight_bit
from rsf_jax.media.videos import pixel_aspect, video_stream
from rsf_jax.serving.limits import Limits
from rsf_jax.serving.problems import Problem

KINDS = ("image", "raw", "float32")
_FORMATS = ("JPEG", "PNG", "WEBP")
# Of the containers that are taken, by how they begin. FFmpeg would try others, such as playlists,
# which name files.
_CLIPS = ((4, b"ftyp", "mp4"), (0, b"\x1a\x45\xdf\xa3", "matroska"))


class Decoder:
    """Makes frames for a model of images, raw arrays and clips.

    Args:
        shape: (height, width, channels) of the model's frames.
        limits: what is refused.
    """

    def __init__(self, shape: tuple[int, int, int], limits: Limits) -> None:
        self.shape, self._limits = shape, limits

    def frame(self, content: bytes, kind: str) -> np.ndarray:
        """Returns a frame, uint8 or float32 [H, W, I].

        Args:
            content: a JPEG, PNG or WebP for "image", whatever its size; all bytes of the array for
                "raw" (uint8) and "float32" (little-endian, in 0..1).
            kind: one of `KINDS`.

        Raises:
            Problem: if it is none of these, or too large.
        """
        if kind == "image":
            return self._image(content)
        dtype = np.dtype(np.uint8 if kind == "raw" else "<f4")
        wanted = int(np.prod(self.shape)) * dtype.itemsize
        if len(content) != wanted:
            raise Problem(
                "bad_request",
                f"the frame has {len(content)} bytes: {list(self.shape)} of {dtype} are {wanted}",
            )
        return np.frombuffer(content, dtype).reshape(self.shape).astype(dtype.newbyteorder("="))

    def _image(self, content: bytes) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                    self._check_size(*image.size)
                    return self._shaped(image)
            except Problem:
                raise
            except InputError as error:
                raise Problem("unsupported", f"the image cannot be used: {error}") from None
            except UnidentifiedImageError:
                raise Problem("unsupported", "this is no JPEG, PNG or WebP") from None
            except Image.DecompressionBombError:
                raise Problem("too_large", "the picture has far too many pixels") from None
            except (OSError, ValueError, SyntaxError, EOFError) as e:
                raise Problem("bad_request", f"the image is damaged: {e}") from None

    def _shaped(self, image: Image.Image) -> np.ndarray:
        height, width, channels = self.shape
        mode = "L" if channels == 1 else "RGB"
        image.draft(mode, (2 * width, 2 * height))  # of a JPEG: what is needed is decoded
        image = eight_bit(ImageOps.exif_transpose(image)).convert(mode)
        if image.size != (width, height):
            shrinks = height <= image.height and width <= image.width
            way = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
            image = image.resize((width, height), way)
        return np.asarray(image, np.uint8).reshape(self.shape)

    def clip(self, content: bytes) -> Iterator[np.ndarray]:
        """Yields the frames of an MP4, MOV, WebM or Matroska file, uint8 [H, W, I].

        Raises:
            Problem: if it is none, or too large or long.
        """
        format = next(
            (name for at, magic, name in _CLIPS if content[at : at + len(magic)] == magic), None
        )
        if format is None:
            raise Problem("unsupported", "this is no MP4, MOV, WebM or Matroska file")
        height, width, channels = self.shape
        shaper = Shaper((height, width), channels)
        try:
            with av.open(io.BytesIO(content), "r", format=format) as container:
                stream = self._stream(container)
                shaper.aspect = pixel_aspect(stream)
                for count, shown in enumerate(self._shown(container, stream)):
                    if count >= self._limits.clip_frames:
                        most = self._limits.clip_frames
                        raise Problem("too_large", f"the clip has more than {most} frames")
                    yield shaper.picture(shown, 0.0, count).frame
        except av.error.FFmpegError as error:
            raise Problem("bad_request", f"the clip is damaged: {error.strerror}") from None

    def _stream(self, container: av.container.InputContainer) -> av.VideoStream:
        try:
            stream = video_stream(container, "the clip")
        except InputError as error:
            raise Problem("unsupported", str(error)) from None
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        return stream

    def _shown(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.VideoFrame]:
        """The frames as they are looked at: deinterlaced, their tones mapped."""
        filters = Filters()
        for decoded in container.decode(stream):
            self._check_size(decoded.width, decoded.height)
            yield from filters.frames([decoded])
        yield from filters.rest()

    def _check_size(self, width: int, height: int) -> None:
        if not 0 < width * height <= self._limits.pixels:
            raise Problem(
                "too_large",
                f"the picture has {width}x{height} pixels: up to {self._limits.pixels} are taken",
            )
