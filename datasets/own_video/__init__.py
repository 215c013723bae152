"""Videos of one's own: folders of frames and masks."""
