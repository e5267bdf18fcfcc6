"""Tensors in, tensors out: encoders, heads and objectives. No files, no seconds, no dataset
names.
"""
