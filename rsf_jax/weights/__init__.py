"""Files of weights as others write them."""
