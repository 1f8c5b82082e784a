"""Benchmarks: ``python -m bench.engine``. They measure ratios within one run; see bench/README.md."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "combine.settings")
django.setup()
