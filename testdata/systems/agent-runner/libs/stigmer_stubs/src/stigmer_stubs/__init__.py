"""What the worker and the platform say to each other."""

from pydantic import BaseModel


class Heartbeat(BaseModel):
    beat: int
    load: float
    at: float
