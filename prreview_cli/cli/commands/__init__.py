"""The verbs: the file's name is the verb, and its `app` the command. `cli.root.COMMANDS` lists them."""
