"""What commands that were cut off have left in AWS: found, taken back into the state, or removed."""
