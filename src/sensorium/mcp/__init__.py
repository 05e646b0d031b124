"""Every operation as a tool for agents, over the Model Context Protocol."""
