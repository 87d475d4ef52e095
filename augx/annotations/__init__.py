"""Annotations that lie beside pictures: one file a format, which reads a set of it and writes one."""
