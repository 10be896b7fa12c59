"""`a2l check`, `a2l fmt`, `a2l show`."""
