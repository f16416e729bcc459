"""Recovery from interrupted applies: untaint, import, and remove what the state does not know."""
