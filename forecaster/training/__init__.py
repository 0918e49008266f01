"""Training of networks in a process of its own (``keras_process``: the one module that imports TensorFlow)."""
