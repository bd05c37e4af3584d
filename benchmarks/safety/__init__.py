"""Damaged files, killed runs, full disks, wrong arguments, mutants, memory of a long process."""
