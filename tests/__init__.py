"""Tests of augx."""
