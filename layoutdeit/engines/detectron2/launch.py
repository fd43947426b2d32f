"""Run detectron2's own tools/train_net.py on our backbone and data sets.

    python -m layoutdeit.engines.detectron2.launch TRAIN_NET.py --config-file configs/detectron2/mask_rcnn_deit_b.yaml \
        [--num-gpus N] [--eval-only] [KEY VALUE ...]

The file is taken from a detectron2 source tree and stays as it is: its `main` runs, in every process, with our settings
added to the configuration and `publaynet_train` and `publaynet_val` registered (data.py says from where).
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from layoutdeit.engines.detectron2 import require_detectron2


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, start the processes, train or evaluate. 2: wrong usage or no detectron2."""
    tool, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if tool in ("-h", "--help"):
        print(__doc__)
        return 0
    if not Path(tool).is_file():
        print(f"error: no file at {tool!r}: first name tools/train_net.py of detectron2's source", file=sys.stderr)
        return 2
    try:
        require_detectron2()
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from detectron2.engine import default_argument_parser, launch

    options = default_argument_parser().parse_args(rest)  # it takes all that follows the options as settings
    options.train_net = Path(tool)
    launch(
        run_tool,
        options.num_gpus,
        num_machines=options.num_machines,
        machine_rank=options.machine_rank,
        dist_url=options.dist_url,
        args=(options,),
    )
    return 0


def run_tool(options: argparse.Namespace) -> Any:
    """One process: the tool's `main` with our configuration, data sets and optimiser."""
    from layoutdeit.engines.detectron2 import model  # noqa: F401 (registers our parts with detectron2)
    from layoutdeit.engines.detectron2.data import register_publaynet_tree
    from layoutdeit.engines.detectron2.settings import deit_config
    from layoutdeit.engines.detectron2.solver import build_adamw

    register_publaynet_tree()
    tool = _load(options.train_net)
    tool.get_cfg = deit_config
    as_it_was = tool.Trainer.build_optimizer

    def build_optimizer(trainer: type, cfg: Any, network: Any) -> Any:
        del trainer
        return build_adamw(cfg, network) if cfg.SOLVER.OPTIMIZER == "ADAMW" else as_it_was(cfg, network)

    tool.Trainer.build_optimizer = classmethod(build_optimizer)
    return tool.main(options)


def _load(path: Path) -> ModuleType:
    spec = spec_from_file_location("detectron2_train_net", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
