"""The engine beside a hand-written loop and stock Faust, on one workload (W1)."""
