"""Rules of channels: who may ask, the channel's own prompt, and how replies are made. Pure."""
