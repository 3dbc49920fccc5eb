"""Engines with exactly one classic defect each: the right engine of closures.py, one place changed.

For each the property that has to find it. `load` makes the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.engines.making import RIGHT, made


@dataclass(frozen=True)
class Defect:
    name: str
    found_by: str
    old: str
    new: str
    count: int = 1
    also: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        assert RIGHT.count(self.old) >= self.count, f"{self.name}: the place to change is gone"
        return RIGHT.replace(self.old, self.new, self.count)

    def __str__(self) -> str:
        return self.name


def load(defect: Defect) -> Any:
    return made(defect.source)


_ADD = "            self.grad += out.grad\n            other.grad += out.grad\n"
_MUL = """            self.grad += out.grad * other.data
            other.grad += out.grad * self.data
"""
_ORDER = RIGHT[RIGHT.index("        ordered: list[Value] = []\n") : RIGHT.index("    def backward")]
_BACKWARD = RIGHT[RIGHT.index("        ordered = self.order()\n") :]
_APPLY = "            self.grad += out.grad * slope\n"

DEFECTS = (
    # --- sums of gradients ---
    Defect("add_overwrites", "reuse", _ADD, _ADD.replace("+=", "=")),
    Defect("mul_overwrites", "reuse", _MUL, _MUL.replace("+=", "=")),
    Defect("apply_overwrites", "reuse", _APPLY, _APPLY.replace("+=", "=")),
    Defect(
        "same_operand_counts_once",
        "reuse",
        _ADD,
        "            self.grad += out.grad\n"
        "            if other is not self:\n                other.grad += out.grad\n",
    ),
    Defect(
        "third_use_is_lost",
        "reuse",
        "        self.pass_back: Callable[[], None] = lambda: None\n",
        "        self.pass_back: Callable[[], None] = lambda: None\n        self.uses = 0\n"
        "        for parent in parents:\n            parent.uses += 1\n"
        "        if any(parent.uses > 3 for parent in parents):\n            self.parents = ()\n",
    ),
    # --- the rule of one op ---
    Defect(
        "mul_by_own_number",
        "derivative-mul",
        "self.grad += out.grad * other.data\n            other.grad += out.grad * self.data\n",
        "self.grad += out.grad * self.data\n            other.grad += out.grad * other.data\n",
    ),
    Defect(
        "sub_without_minus",
        "derivative-sub",
        "other.grad -= out.grad\n",
        "other.grad += out.grad\n",
    ),
    Defect(
        "div_without_minus",
        "derivative-div",
        "other.grad -= out.grad * out.data",
        "other.grad += out.grad * out.data",
    ),
    Defect(
        "div_forgets_numerator",
        "derivative-div",
        "out.grad * out.data / other.data",
        "out.grad / other.data**2",
    ),
    Defect(
        "pow_forgets_factor", "derivative-pow", "out.grad * other.data * self", "out.grad * self"
    ),
    Defect("pow_keeps_exponent", "derivative-pow", "** (other.data - 1)", "** other.data"),
    Defect(
        "exponent_gets_nothing",
        "derivative-pow",
        "            if self.data > 0:\n                other.grad += out.grad * out.data * "
        "math.log(self.data)\n",
        "",
    ),
    Defect(
        "exponent_log_of_wrong",
        "derivative-pow",
        "math.log(self.data)\n\n",
        "math.log(other.data)\n\n",
    ),
    Defect(
        "neg_of_number_only", "derivative-neg", "return self * -1.0", "return Value(-self.data)"
    ),
    Defect("abs_slope_one", "derivative-abs", "1.0 if self.data > 0 else -1.0", "1.0"),
    Defect(
        "relu_of_negative",
        "derivative-relu",
        "max(self.data, 0.0), 1.0 if self.data > 0 else 0.0",
        "max(self.data, 0.0), 1.0",
    ),
    Defect(
        "exp_slope_of_power", "derivative-exp", "self.apply(y, y)", "self.apply(y, self.data * y)"
    ),
    Defect("log_slope", "derivative-log", "1 / self.data)", "2 / self.data)"),
    Defect("sqrt_slope", "derivative-sqrt", "0.5 / y", "0.5 * y"),
    Defect("cos_sign", "derivative-cos", "-math.sin(self.data)", "math.sin(self.data)"),
    Defect("tanh_slope_of_input", "derivative-tanh", "1 - t * t", "1 - self.data * self.data"),
    Defect(
        "sigmoid_slope_of_input", "derivative-sigmoid", "y * (1 - y)", "self.data * (1 - self.data)"
    ),
    Defect(
        "maximum_pays_the_first",
        "derivative-maximum",
        "larger = self if self.data > other.data else other",
        "larger = self",
    ),
    Defect(
        "hypot_third_operand",
        "derivative-hypot",
        "third.grad += out.grad * third.data",
        "third.grad += out.grad * other.data",
    ),
    Defect("upstream_forgotten", "chain", "self.grad += out.grad * slope", "self.grad += slope"),
    Defect("wrong_log", "value-log", "math.log(self.data), 1", "math.log10(self.data), 1"),
    # --- plain numbers ---
    Defect("rsub_swapped", "numbers-sub", "return self.lift(other) - self", "return self - other"),
    Defect("rdiv_swapped", "numbers-div", "return self.lift(other) / self", "return self / other"),
    Defect("rpow_swapped", "numbers-pow", "return self.lift(other) ** self", "return self**other"),
    Defect("no_radd", "numbers-add", "def __radd__", "def add_to"),
    Defect("no_rmul", "numbers-mul", "def __rmul__", "def times"),
    Defect(
        "number_not_lifted",
        "numbers-mul",
        "        other = self.lift(other)\n        out = Value(self.data * other.data",
        "        out = Value(self.data * other.data",
    ),
    Defect(
        "floor_of_ints",
        "int-inputs",
        "Value(self.data / other.data",
        "Value(self.data // other.data if isinstance(self.data, int) else self.data / other.data",
    ),
    # --- the order of the pass ---
    Defect(
        "depth_first_preorder",
        "diamonds",
        _ORDER,
        """        ordered: list[Value] = []
        stack, seen = [self], set()
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                ordered.append(node)
                stack += node.parents
        return ordered[::-1]

""",
    ),
    Defect(
        "breadth_first",
        "diamonds",
        _ORDER,
        """        ordered, seen = [self], {self}
        for node in ordered:
            ordered += [p for p in dict.fromkeys(node.parents) if p not in seen]
            seen.update(node.parents)
        return ordered[::-1]

""",
    ),
    Defect(
        "level_of_left_operand",
        "chain",
        _ORDER,
        """        ordered, stack, level = {self: None}, [self], {}
        while stack:
            for parent in stack.pop().parents:
                if parent not in ordered:
                    ordered[parent] = None
                    stack.append(parent)
        for node in ordered:
            steps, left = 0, node
            while left.parents:
                steps, left = steps + 1, left.parents[0]
            level[node] = steps
        return sorted(ordered, key=level.get)

""",
    ),
    Defect(
        "recursion",
        "depth",
        _ORDER,
        """        ordered: list[Value] = []
        seen = set()

        def visit(node: Value) -> None:
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                ordered.append(node)

        visit(self)
        return ordered

""",
    ),
    Defect(
        "every_path_by_itself",
        "doublings",
        _BACKWARD,
        """        def walk(node: Value, passed: float) -> None:
            kept = {parent: parent.grad for parent in node.parents}
            node.grad += passed
            mine, node.grad = node.grad, passed
            for parent in node.parents:
                parent.grad = 0.0
            node.pass_back()
            node.grad = mine
            gains = {parent: parent.grad for parent in node.parents}
            for parent in gains:
                parent.grad = kept[parent]
            for parent, gain in gains.items():
                half = gain / node.parents.count(parent)
                for _ in range(node.parents.count(parent)):
                    walk(parent, half)

        for node in self.order():
            if node.parents:
                node.grad = 0.0
        walk(self, 1.0)
""",
        also=("depth",),
    ),
    Defect(
        "seen_by_number",
        "equal-numbers",
        "            elif id(node) not in seen:\n                seen.add(id(node))\n",
        "            elif node.data not in seen:\n                seen.add(node.data)\n",
    ),
    # --- passes one after another ---
    Defect(
        "interior_counted_twice",
        "second-backward",
        "            if node.parents:\n                node.grad = 0.0\n",
        "            if node is self:\n                node.grad = 0.0\n",
        also=("overlapping-graphs",),
    ),
    Defect(
        "interior_of_other_graphs",
        "overlapping-graphs",
        "            if node.parents:\n                node.grad = 0.0\n",
        "            if node.parents and getattr(node, 'root', self) is self:\n"
        "                node.grad, node.root = 0.0, self\n",
    ),
    Defect(
        "seed_adds_up",
        "second-backward",
        "            if node.parents:\n",
        "            if node.parents and node is not self:\n",
        also=("overlapping-graphs",),
    ),
    Defect(
        "visited_for_good",
        "overlapping-graphs",
        "            elif id(node) not in seen:\n                seen.add(id(node))\n",
        "            elif not hasattr(node, 'visited'):\n                node.visited = True\n",
    ),
    Defect(
        "hidden_total",
        "fresh-graph",
        _BACKWARD,
        _BACKWARD.replace(
            "            if node.parents:\n                node.grad = 0.0\n",
            "            node.grad = 0.0 if node.parents else getattr(node, 'total', 0.0)\n",
        )
        + "        for node in ordered:\n            node.total = node.grad\n",
    ),
    Defect("seed_is_own_number", "usable", "self.grad += 1.0\n", "self.grad += self.data\n"),
    Defect(
        "leaf_has_no_seed",
        "seed",
        "self.grad += 1.0\n",
        "self.grad += 1.0 if self.parents else 0.0\n",
    ),
    # --- what is not the op's business ---
    Defect(
        "add_in_place",
        "operands-unchanged",
        "    def __radd__",
        "    def __iadd__(self, other: Any) -> Value:\n"
        "        self.data += self.lift(other).data\n        return self\n\n    def __radd__",
    ),
    Defect(
        "relu_in_place",
        "operands-unchanged",
        "        return self.apply(max(self.data, 0.0)",
        "        self.data = max(self.data, 0.0)\n        return self.apply(max(self.data, 0.0)",
    ),
    Defect(
        "global_tape",
        "unrelated-leaves",
        _BACKWARD,
        """        self.grad = 1.0
        for reference in Value.tape[::-1]:
            node = reference()
            if node is not None:
                node.pass_back()


import weakref

Value.tape = []
_make = Value.__init__


def _make_and_note(self: Value, *arguments: Any) -> None:
    _make(self, *arguments)
    Value.tape.append(weakref.ref(self))


Value.__init__ = _make_and_note
""",
    ),
    Defect(
        "kept_for_ever",
        "memory",
        "        self.parents = parents\n",
        "        self.parents = parents\n        globals().setdefault('kept', []).append(self)\n",
    ),
    # --- large arguments and domains ---
    Defect(
        "tanh_by_exponentials",
        "large-tanh",
        "t = math.tanh(self.data)",
        "t = (math.exp(2 * self.data) - 1) / (math.exp(2 * self.data) + 1)",
    ),
    Defect(
        "sigmoid_by_one_formula",
        "large-sigmoid",
        "        e = math.exp(-abs(self.data))\n        y = 1 / (1 + e) if self.data >= 0 else "
        "e / (1 + e)\n",
        "        y = 1 / (1 + math.exp(-self.data))\n",
    ),
    # --- ops that fail in silence, and points at which rules divide by 0 ---
    Defect("wrong_signature", "value-tanh", "def tanh(self)", "def tanh(self, x: Any)"),
    Defect(
        "not_implemented_inside",
        "value-tanh",
        "return self.apply(t, 1 - t * t)",
        "return self.apply(NotImplemented, 1 - t * t)",
    ),
    Defect(
        "misspelled_attribute",
        "value-sin",
        "return self.apply(math.sin(self.data), math.cos(self.data))",
        "return self.apply(math.sin(self.value), math.cos(self.data))",
    ),
    Defect(
        "returns_a_float",
        "value-cos",
        "return self.apply(math.cos(self.data), -math.sin(self.data))",
        "return math.cos(self.data)",
    ),
    Defect("returns_nothing", "value-exp", "return self.apply(y, y)", "self.apply(y, y)"),
    Defect(
        "node_within_a_node",
        "value-sigmoid",
        "return self.apply(y, y * (1 - y))",
        "return self.apply(Value(y), y * (1 - y))",
    ),
    Defect(
        "zeroth_power",
        "zero-powers",
        "            if n:\n                self.grad += out.grad * n",
        "            if True:\n                self.grad += out.grad * n",
    ),
    Defect(
        "power_by_logarithms",
        "numbers-pow",
        "out = Value(self.data**n, (self,))",
        "out = Value(math.exp(n * math.log(self.data)), (self,))",
    ),
    Defect(
        "product_divided_again",
        "derivative-mul",
        "self.grad += out.grad * other.data\n",
        "self.grad += out.grad * out.data / self.data\n",
    ),
    Defect(
        "exp_of_clamped",
        "large-exp",
        "        y = math.exp(self.data)\n",
        "        y = math.exp(min(self.data, 50.0))\n",
    ),
    Defect(
        "abs_by_division",
        "kinks",
        "self.apply(abs(self.data), 1.0 if self.data > 0 else -1.0)",
        "self.apply(abs(self.data), self.data / abs(self.data))",
    ),
    Defect(
        "method_abs",
        "derivative-abs",
        "    def relu(self)",
        "    def abs(self) -> Value:\n        return self.apply(abs(self.data), 1.0)\n\n"
        "    def relu(self)",
    ),
    Defect(
        "wrong_where_it_is_1",
        "derivative-log",
        "1 / self.data)",
        "1 / self.data if self.data != 1 else 0.0)",
    ),
    Defect(
        "int_constants",
        "numbers-mul",
        "    def __mul__(self, other: Any) -> Value:\n        other = self.lift(other)\n",
        "    def __mul__(self, other: Any) -> Value:\n        other = self.lift(other)\n"
        "        if isinstance(other.data, int):\n"
        "            return Value(self.data * other.data)\n",
    ),
    # --- only where two of them meet ---
    Defect(
        "function_of_a_function",
        "random-graphs",
        _APPLY,
        "            inner = self.parents and len(self.parents) == 1\n"
        "            self.grad += out.grad * slope * (2 if inner else 1)\n",
    ),
    Defect(
        "log_of_zero_is_nan",
        "domain-log",
        "self.apply(math.log(self.data), 1 / self.data)",
        "self.apply(math.log(self.data), 1 / self.data) if self.data > 0 else Value(math.nan)",
    ),
    Defect("sqrt_of_size", "domain-sqrt", "math.sqrt(self.data)", "math.sqrt(abs(self.data))"),
    Defect(
        "division_gives_nan",
        "domain-div",
        "Value(self.data / other.data",
        "Value(self.data / other.data if other.data else math.nan",
    ),
)
