"""What datasets made of folders of frames and masks share; no dataset of its own."""
