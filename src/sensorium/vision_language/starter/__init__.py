"""What works offline right after installation: pictures recognised, questions answered from what was measured."""
