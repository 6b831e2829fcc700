"""`python -m topo.agent`."""

from topo.agent.main import main

if __name__ == "__main__":
    main()
