"""Bytes and time of the snapshot delta coder on a recording, beside what else one might do.

    python benchmarks/delta.py cubes --data cubes.npz --train cubes_train_1.npz cubes_train_2.npz
    python benchmarks/delta.py mmo --data mmo.npz --model mmo.model --json out.json
    python benchmarks/delta.py cubes --data cubes.npz --loss 0.2 --seed 7
    python benchmarks/delta.py mmo --data mmo.npz --train mmo_train.npz --dictionary

Every snapshot is decoded and compared, of ours and of every peer. ``bytes_per_snapshot`` is of
sections of at most 1,100 bytes that can each be decoded alone: what the coder writes, the slot
range (4 bytes, where a table does not fit one section), and a header of 5: table (1), low bits of
the tick (2), how far A lies before it (1) and B before A (1). ``payload_bytes_per_snapshot``
leaves the headers out, and ``stream_bytes_per_snapshot`` is the whole table in one run of the
coder, whatever its length; ``wire_bytes_per_snapshot`` are the sections that a server sends, with
slot sets, the index of each, and cut as it cuts them. A peer's bytes are one stream without any
header; those with a dictionary are also cut into sections, as ours and with the same headers.
Quoted figures have none.

Times are CPU time of the thread, medians over the snapshots. Each peer has a run of its own with
ours, snapshot by snapshot in turn; ``x`` is the median of ours / peer to encode and to decode, and
the ``ours`` beside it was taken there: after a slow peer the cache is cold. Ours goes in sections,
a peer in one stream. Both start from the same int32 lanes in NumPy and give them back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))

from delta_beside import against_dictionaries, dictionaries, peers
from delta_measure import measure
from delta_options import started
from delta_peers import QUOTED

from netcode.delta.model import Model


def print_table(result: dict[str, Any]) -> None:
    ours = result["bytes_per_snapshot"]
    print(
        f"{result['kind']} {result['data']}: {ours:.1f} bytes a snapshot in sections, "
        f"{result['payload_bytes_per_snapshot']:.1f} without their headers, "
        f"{result['stream_bytes_per_snapshot']:.1f} in one stream, "
        f"{result['wire_bytes_per_snapshot']:.1f} as a server sends it; "
        f"encode {result['encode_us']:.0f} us, decode {result['decode_us']:.0f} us (medians); "
        f"model {result['model_bytes']:,} bytes; {result['snapshots']} snapshots decoded"
    )
    head = ("bytes", "ours/peer", "enc us", "ours", "x", "dec us", "ours", "x")
    print(f"\n{'peer':44}" + "".join(f"{word:>10}" for word in head))
    for name, row in result["peers"].items():
        if "absent" in row:
            print(f"{name:44} not measured: {row['absent']}")
            continue
        line = f"{name:44}{row['bytes']:10.1f}{ours / row['bytes']:10.3f}"
        for key in ("encode", "decode"):
            if f"{key}_us" in row:
                line += f"{row[f'{key}_us']:10.1f}{row[f'ours_{key}_us']:10.1f}"
                line += f"{row[f'{key}_ratio']:10.3g}"
            else:
                line += f"{'-':>10}" * 3
        print(line)
        if "section_bytes" in row:
            size = row["section_bytes"]
            print(f"{'  in sections':44}{size:10.1f}{ours / size:10.3f}  ({row['dictionary']})")
    for name, size in result["quoted"].items():
        print(f"{name + ' (quoted)':44}{size:10.1f}{ours / size:10.3f}")
    if "untrained" in result:
        bare = result["untrained"]
        print(
            f"\nuntrained tables: {bare['bytes_per_snapshot']:.1f} bytes a snapshot in sections, "
            f"{bare['stream_bytes_per_snapshot']:.1f} in one stream"
        )
    if "untrained_vs_zstd_dict" in result:
        one, cut = (result["untrained_vs_zstd_dict"][key] for key in ("stream", "sections"))
        print(
            f"untrained / best zstd with a dictionary: {cut['ratio']:.3f} in sections "
            f"({cut['name']}), {one['ratio']:.3f} in one stream ({one['name']})"
        )


def main(arguments: list[str] | None = None) -> None:
    start = started(__doc__, arguments)
    options, data, model, recordings = start.options, start.data, start.model, start.recordings
    result: dict[str, Any] = {
        "kind": options.kind,
        "data": options.data.name,
        "model": "untrained" if not (options.train or options.model) else f"{model.hash:016x}",
        "model_bytes": len(model.to_bytes()),
        "lag": options.lag,
        "loss": options.loss,
        **measure(options, data, model),
    }
    result["peers"] = peers(options, data, model, recordings)
    if result["model"] != "untrained":
        result["untrained"] = measure(options, data, Model.untrained(model.shape))
    if options.dictionary:
        found = dictionaries(options, data, model, recordings)
        result["peers"].update(found)
        if not any("absent" in row for row in found.values()):
            result["untrained_vs_zstd_dict"] = against_dictionaries(result["untrained"], found)
    result["quoted"] = QUOTED.get(options.data.name, {})
    print_table(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
