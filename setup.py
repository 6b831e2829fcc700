"""podwire's packages, its command, and the libraries it stands on, each with the reason it is there."""

from setuptools import find_packages, setup

RUN = [
    "mininet==2.3.0.dev6",  # nodes, fabric switches and links: the lab's hardware
    "setuptools>=65,<81",  # brings distutils, which Mininet 2.3 imports, to Python 3.12 and later
    "os-ken>=4,<5",  # the OpenFlow controller: the maintained fork of Ryu, with Ryu's API
    "pyroute2>=0.7,<1",  # netlink: pods' namespaces, links and addresses without a process each
    "PyYAML>=6,<7",  # manifests and cluster descriptions
    "networkx>=3.2,<4",  # the fabric as a graph: lengths of ways, and where to draw what
    "lightkube>=1,<2",  # Kubernetes client: kubeconfig, TLS, credentials and kept connections
    "httpx2>=0.28.1,<3",  # what lightkube speaks HTTP with; the client holds its watches' sockets
    "kubernetes-validate>=1.31,<2",  # the schemas of Kubernetes' objects, offline
    "jsonschema>=4.18,<5",  # walks those schemas and reports every error, not the first alone
    "starlette>=0.40,<2",  # the API server's HTTP layer
    "uvicorn>=0.30,<1",  # the API server's HTTP daemon
    "httptools>=0.6,<1",  # uvicorn's HTTP parser in C: half the cost of a small request
    "wsproto>=1.2,<2",  # WebSockets of the API server: exec, attach, port-forward
    "msgspec>=0.18,<1",  # the API server's JSON, several times as fast as the standard library's
    "h11>=0.14,<1",  # HTTP/1.1 without input or output: what stand-ins speak
    "cryptography>=42",  # the lab's own certificate authority
    "PyJWT>=2.8,<3",  # tokens of ServiceAccounts
    "cronsim>=2.6,<3",  # the moments of a CronJob's schedule
    "dnspython>=2.6,<3",  # cluster DNS: changes (RFC 2136) and questions to the name server
    "psutil>=5.9,<8",  # processes, memory and load, for `ls` and for the experiments' environment
    "typer>=0.12,<1",  # the command line
    "rich>=13,<16",  # progress displays and tables
    "jinja2>=3.1,<4",  # the report page
    "matplotlib>=3.8,<4",  # plots
    "numpy>=1.26,<3",  # arrays of samples
    "scipy>=1.11,<2",  # statistics: intervals and tests
]

DEVELOP = [
    "pytest>=8,<10",  # test runner
    "hypothesis>=6.100,<7",  # property tests
    "pytest-xdist>=3.7,<4",  # the unit tier on all cores: it touches nothing that is shared
    "import-linter>=2,<3",  # the import rule between the rooms
    "mypy>=1.11,<3",  # types, strict
    "ruff>=0.6,<1",  # lint and format
    "types-PyYAML>=6",  # PyYAML's types for mypy
    "types-psutil>=5.9",  # psutil's types for mypy
    "kr8s>=0.20,<1",  # a Python client that people use, against our API server too
    "kubernetes>=29",  # the official Python client, against our API server in the contract tests
]

setup(
    name="podwire",
    version="0.1.0",
    description="A laboratory for Kubernetes networking: ordinary manifests in, an emulated cluster out",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(
        include=[f"{room}*" for room in ("cli", "experiments", "lab", "topo", "controller", "k8sshim")]
    ),
    package_data={
        "k8sshim": ["server/*.txt"],
        "experiments": ["scenarios/**/*", "templates/*"],
        "lab": ["microvm/guest/*", "manifests/*"],
    },
    install_requires=RUN,
    extras_require={"dev": DEVELOP},
    entry_points={"console_scripts": ["podwire = cli.main:main"]},
)
