"""Traced functions (jaxprs) as models of ONNX.

`convert` is what is called. `graph` holds nodes while they are written, `rules` says what each
primitive of JAX becomes: `elementwise`, `shapes`, `products` (of matrices, and convolutions) and
`control` (loops, branches, functions within functions).
"""
