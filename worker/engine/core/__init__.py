"""Engine core: continuous-batching scheduler, slots, prefix cache, sampler and model runner."""
