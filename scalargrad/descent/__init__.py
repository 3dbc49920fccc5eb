"""Going down by gradients: optimisers, and schedules of learning rates. `optim` has the names."""
