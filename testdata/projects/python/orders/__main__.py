"""Validates an order, which is given as JSON, and prints its total."""

import platform
import sys
from decimal import Decimal

from pydantic import BaseModel, PositiveInt, ValidationError


class Item(BaseModel):
    price: Decimal
    count: PositiveInt


class Order(BaseModel):
    items: list[Item]


try:
    order = Order.model_validate_json(sys.argv[1])
except ValidationError as error:
    sys.exit(f"not an order: {error}")
total = sum(item.price * item.count for item in order.items)
print(f"total {total} on {platform.machine()}")
