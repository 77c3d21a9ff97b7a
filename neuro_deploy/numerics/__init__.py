"""Fixed-point arithmetic: register widths and one timestep of the CUBA neuron."""
