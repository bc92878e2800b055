"""Intervals, paired tests, drift tests, multiplicity and power: arrays in, numbers out.

Every module imports numpy and ``scipy.special`` alone, because ``scipy.stats`` costs two CPU seconds
to import and each run of each command would pay them.
"""
