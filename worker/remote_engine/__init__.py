"""
Remote engine: an `Engine` whose model runs on an inference server elsewhere. Torch-free.

vLLM, SGLang and llama.cpp's server speak HTTP with token ids in and out. A dialect writes their
requests and reads their events. `worker.remote_engine.client` is the engine.
"""
