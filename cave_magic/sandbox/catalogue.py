"""The datastacks of the practice server: what the info service stores, and the datasets that protect them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Datastack:
    """One row of the info service. `local` is the index of its local server."""

    id: int
    name: str
    volume_id: int
    volume: str
    local: int = 0
    skeletons: bool = True

    def full(self, local_server: str) -> dict[str, Any]:
        """The body of `GET /info/api/v2/datastack/full/<name>`."""
        return {"aligned_volume": self.aligned_volume(), **self._common(local_server)}

    def short(self, local_server: str) -> dict[str, Any]:
        """The body of `GET /info/api/v2/datastack/<name>`."""
        return {
            "aligned_volume": f"/info/api/v2/aligned_volume/id/{self.volume_id}",
            "id": self.id,
            "name": self.name,
            "display_name": None,
            "viewer_layer_name": None,
            **self._common(local_server),
            "base_link_id": None,
        }

    def aligned_volume(self) -> dict[str, Any]:
        """The image volume that the datastack is registered to."""
        return {
            "id": self.volume_id,
            "name": self.volume,
            "display_name": self.volume,
            "description": f"practice aligned volume {self.volume}",
            "image_source": f"precomputed://https://storage.example.org/{self.volume}/em",
        }

    @property
    def chunkedgraph(self) -> str:
        """The name of its chunkedgraph table."""
        return f"{self.name}_seg"

    def _common(self, local_server: str) -> dict[str, Any]:
        skeletons = f"precomputed://{local_server}/skeletoncache/api/v1/{self.name}/precomputed/skeleton"
        return {
            "segmentation_source": f"graphene://{local_server}/segmentation/table/{self.chunkedgraph}",
            "skeleton_source": skeletons if self.skeletons else None,
            "analysis_database": None,
            "viewer_site": "https://ngl.example.org/",
            "synapse_table": "synapses",
            "soma_table": "nuclei",
            "local_server": local_server,
            "description": f"This is the practice datastack {self.name}.",
            "viewer_resolution_x": 4.0,
            "viewer_resolution_y": 4.0,
            "viewer_resolution_z": 40.0,
            "proofreading_status_table": None,
            "cell_identification_table": None,
            "proofreading_review_table": None,
        }


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rows of the info service by name, and the dataset of each resource by namespace and name."""

    datastacks: Mapping[str, Datastack]
    datasets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def dataset(self, namespace: str, table: str) -> str | None:
        """The dataset of `table` in a namespace of the auth server; None if it is not mapped."""
        return self.datasets.get(namespace, {}).get(table)


def build(extra: int = 0, local_servers: int = 1) -> Catalogue:
    """The usual datastacks and `extra` more, spread over the local servers.

    The auth server does not know `orphan_ds`, and the info service does not know `ghost_ds`: both happen on real
    servers.
    """
    more = enumerate(extra_names(extra), 100)
    rows = [*_USUAL, *(Datastack(n, name, n, f"{name}_volume", n % local_servers) for n, name in more)]
    known = [row for row in rows if row.name != "orphan_ds"]
    mapping = {
        "datastack": {**{row.name: row.name for row in known}, "ghost_ds": "flywire_fafb_public"},
        "pcg_table": {row.chunkedgraph: row.name for row in known},
        "aligned_volume": {row.volume: row.name for row in known},
    }
    return Catalogue({row.name: row for row in rows}, mapping)


def extra_names(extra: int) -> list[str]:
    """The names of the extra datastacks, which are for benchmarks."""
    return [f"practice_{number:03d}" for number in range(extra)]


_USUAL = (
    Datastack(1, "minnie65_public", 1, "minnie65_phase3"),
    Datastack(2, "flywire_fafb_public", 2, "fafb_seung_alignment_v0", skeletons=False),
    Datastack(3, "secret_ds", 3, "secret_volume"),
    Datastack(4, "orphan_ds", 4, "orphan_volume"),
)
