"""Packages instead of single files: tar shards and arrays, filled in plan order by the driver."""
