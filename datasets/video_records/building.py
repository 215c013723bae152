"""How all builders write: files with random access, which are read without TensorFlow."""

from __future__ import annotations

from typing import Any

FILE_FORMAT = "array_record"  # the one format that can be read without TensorFlow


class VideoRecords:
    """A builder's first base: its files are array_record, where TFDS itself would take TFRecord."""

    def __init__(self, *, file_format: Any = None, **kwargs: Any) -> None:
        """Builder whose files are array_record unless `file_format` says otherwise.

        Args:
            file_format: TFDS file format; None means array_record for a dataset that is yet to
                be built and the existing one's otherwise.
            **kwargs: `config`, `data_dir` and `version`, as for every TFDS builder.
        """
        super().__init__(file_format=file_format, **kwargs)
        if file_format is None and not self.info.initialized:
            self.info.set_file_format(FILE_FORMAT, override=True)
