"""DeiT on images (Touvron et al. 2020, arXiv:2012.12877); knows nothing of documents."""
