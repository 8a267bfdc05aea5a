"""Every parser as a function of bytes, for a fuzzer to drive; what it found is replayed by the tests."""
