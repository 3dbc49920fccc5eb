"""Expressions that people type. `ast` parses them, and a table evaluates them: never `eval`.

Allowed are numbers, names, `pi` and `e`, + - * / % **, our functions, and a comparison as the first
argument of `where`. Anything else raises an `ExpressionError`, which has its place in the text.
"""

from __future__ import annotations

import ast
import inspect
import math
import operator
import re
import sys
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from scalargrad.functions.methods import public_functions

CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS = {"abs": abs} | public_functions()
# Names that functions have in other languages, and functions that do not give one number.
_NAMES = {
    "ln": "the natural logarithm is log(x)",
    "max": "the larger of two is maximum(a, b)",
    "min": "the smaller of two is minimum(a, b)",
    "sum": "the sum of several is fsum([a, b, c])",
    "sgn": "the sign of x is sign(x)",
    "tg": "the tangent is tan(x)",
    **{name: f"it is {name.replace('arc', 'a')}(x)" for name in ("arcsin", "arccos", "arctan")},
    **dict.fromkeys(("softmax", "log_softmax"), "it gives a list"),
    **dict.fromkeys(("frexp", "modf"), "it gives two numbers"),
}
# What to write for signs of mathematics that Python does not read, or reads as letters.
_SIGNS = {
    **{"·": "*", "×": "*", "÷": "/", "−": "-", "²": "**2", "³": "**3"},
    **{"√": "sqrt(x)", "|": "abs(x), for |x|"},
}
# The functions that take lists.
_OF_LISTS = {"fsum", "prod", "sumprod", "dist", "logsumexp"}
# Python's parser recurses, and in WebAssembly its stack is small.
_LONGEST = 4000 if sys.platform != "emscripten" else 1000
_DEEPEST = 50
_SIGN = r"(?:[-+~]\s*)"
_WORD = r"(?:\b(?:not|lambda|if|await|yield|for|else)\b[^()]*?)"
_POWER = r"(?:\*\*\s*[-+~]*\s*[\w.]+\s*)"
_NESTED = re.compile("|".join(f"{part}{{{_DEEPEST + 1}}}" for part in (_SIGN, _WORD, _POWER)))
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ALLOWED = "numbers, names, + - * / % **, functions, and comparisons within where"
_INSTEAD: dict[type[ast.AST], str] = {
    ast.Attribute: "a dot is not allowed: write sin(x), not math.sin(x)",
    ast.Subscript: "square brackets after a name are not allowed",
    ast.Lambda: "lambda is not allowed: write the expression alone",
    ast.IfExp: "if is not allowed: write where(x > 0, a, b)",
    ast.BoolOp: "and, or are not allowed: put one where within another",
    ast.Compare: "a comparison is allowed only as the first argument of where",
    ast.List: "a list is allowed only as an argument of fsum, prod, sumprod, dist or logsumexp",
    ast.Tuple: "a comma is allowed only between arguments",
    ast.FloorDiv: "// is not allowed: its derivative is zero or does not exist",
    ast.BitXor: "^ is not a power in Python: write **",
    ast.Not: "not is not allowed: reverse the comparison",
    ast.NamedExpr: ":= is not allowed",
    ast.Starred: "a star before an argument is not allowed",
}


class UsageError(ValueError):
    """A command cannot be run: the message says why, and what to do, in one line."""


class ExpressionError(ValueError):
    """Something in an expression that is not allowed, with its place.

    `str` gives three lines: what is wrong, the expression, and a caret under the place.
    """

    def __init__(self, message: str, text: str, place: int) -> None:
        super().__init__(message)
        self.message = message
        self.text = text
        self.place = max(0, min(place, len(text)))

    def __str__(self) -> str:
        # A window of the text, where it is long.
        start = max(0, self.place - 50) if len(self.text) > 70 else 0
        shown = self.text[start : start + 70]
        before, after = "..." * (start > 0), "..." * (start + 70 < len(self.text))
        shown = "".join(c if c.isprintable() else "?" for c in shown)
        caret = " " * (len(before) + self.place - start) + "^"
        return f"{self.message}\n  {before}{shown}{after}\n  {caret}"


class _Instruction(NamedTuple):
    """A step of the evaluation on a stack: push a number, push a name's value, or call."""

    kind: str  # "number", "name", "call" or "list"
    what: Any
    operands: int = 0
    place: int = 0


def _evaluate(
    program: Sequence[_Instruction],
    values: Mapping[str, Any],
    apply: Callable[[Callable[..., Any], list[Any], int], Any],
) -> Any:
    """Return the result of a program. A name that is not in `values` is None.

    `apply` computes each call from the function, the operands, and the place in the text.
    """
    stack: list[Any] = []
    for kind, what, count, place in program:
        if kind == "number":
            stack.append(what)
        elif kind == "name":
            stack.append(values.get(what))
        else:
            operands = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            stack.append(operands if kind == "list" else apply(what, operands, place))
    [result] = stack
    return result


class Expression:
    """A parsed expression: call it with numbers of any kind for its `names`, in order.

    >>> expression = Expression("x*y + sin(x)")
    >>> expression.names, expression(0.0, 3.0)
    (['x', 'y'], 0.0)
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._program = _Parser(self.text).program()
        self.names: list[str] = []
        for step in self._program:
            if step.kind == "name" and step.what not in self.names:
                self.names.append(step.what)
        parameter = inspect.Parameter
        # Other code asks a function for the names of its parameters.
        self.__signature__ = inspect.Signature(
            [parameter(name, parameter.POSITIONAL_OR_KEYWORD) for name in self.names]
        )
        self.__name__ = "f" if "f" not in self.names else ""

    def __call__(self, *numbers: Any) -> Any:
        values = dict(zip(self.names, numbers, strict=True))
        return _evaluate(self._program, values, lambda f, operands, place: f(*operands))

    def check_names(self, given: Collection[str]) -> None:
        """Raise UsageError unless `given` has each name of the expression, and no other."""
        for name in self.names:
            if name in given:
                continue
            others = [x for x in given if x not in self.names]
            near = get_close_matches(name, others, 1, 0.5)
            if name in FUNCTIONS:
                raise UsageError(f"{name} is a function: write {name}(...)")
            if near:
                raise UsageError(f"{name} has no value; did you mean {near[0]}?")
            raise UsageError(f"{name} has no value: add one, as in {name}=1.5")
        for name in given:
            if name not in self.names:
                near = get_close_matches(name, self.names, 1, 0.5)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UsageError(f"there is no {name} in the expression{hint}")


def parse_number(text: str) -> float:
    """Return the number that an expression without names is: 2, -1e-3, pi/2.

    >>> parse_number("pi/2")
    1.5707963267948966
    """
    expression = Expression(text)
    if expression.names:
        raise ExpressionError(f"a number is wanted, not {expression.names[0]}", text.strip(), 0)
    return float(expression())


class _Parser:
    """Turns the text of an expression into instructions, without recursion of its own."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[_Instruction] = []

    def fail(self, message: str, place: int) -> NoReturn:
        raise ExpressionError(message, self.text, place)

    def place(self, node: ast.AST) -> int:
        # ast counts bytes of UTF-8.
        offset: int = getattr(node, "col_offset", 0)
        return len(self.text.encode()[:offset].decode(errors="ignore"))

    def program(self) -> list[_Instruction]:
        self._check_text()
        tree = self._tree()
        # What is to do: a node to visit or an instruction to add; the function whose argument the
        # node is; and the number of that argument.
        stack: list[tuple[Any, str, int]] = [(tree.body, "", 0)]
        while stack:
            item, within, number = stack.pop()
            if isinstance(item, _Instruction):
                self.found.append(item)
            else:
                stack += reversed(self._visit(item, within, number))
        _evaluate(self.found, {}, self._constant)
        return self.found

    def _check_text(self) -> None:
        if not self.text:
            self.fail('the expression is empty: write one, such as "x*y + sin(x)"', 0)
        depth = 0
        for place, c in enumerate(self.text):
            if not c.isprintable():
                self.fail(f"the character {c!a} is not allowed", place)
            if c in _SIGNS:
                self.fail(f"for {c} write {_SIGNS[c]}", place)
            depth += (c in "([{") - (c in ")]}")
            if depth > _DEEPEST:
                self.fail(f"brackets are nested more than {_DEEPEST} deep", place)
        for nested in _NESTED.finditer(self.text):
            self.fail(f"more than {_DEEPEST} of them, one within another", nested.start())
        if len(self.text) > _LONGEST:
            self.fail(f"the expression is too long: at most {_LONGEST} characters", _LONGEST)

    def _tree(self) -> ast.Expression:
        try:
            # Surrogates, as from a terminal that is not UTF-8.
            self.text.encode()
        except UnicodeEncodeError as error:
            self.fail("a character that is not allowed", error.start)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            message = error.msg.split(". Perhaps")[0].split(". Maybe")[0]
            if "integer string conversion" in message:
                message = "a number of too many digits"
            elif message == "invalid decimal literal":
                message = "between a number and a name write *, as in 2*x"
            self.fail(f"cannot be read: {message}", (error.offset or 1) - 1)
        except (RecursionError, MemoryError, ValueError):
            self.fail("the expression is nested too deeply", 0)

    def _visit(self, node: ast.AST, within: str, number: int) -> list[tuple[Any, str, int]]:
        place = self.place(node)
        if isinstance(node, ast.Constant):
            return [(_Instruction("number", self._number(node), place=place), "", 0)]
        if isinstance(node, ast.Name):
            if node.id in CONSTANTS:
                return [(_Instruction("number", CONSTANTS[node.id], place=place), "", 0)]
            return [(_Instruction("name", node.id, place=place), "", 0)]
        if isinstance(node, ast.BinOp):
            place = self._end(node.left)  # of the operator
            step = _Instruction("call", self._operator(node.op, place), 2, place)
            return [(node.left, "", 0), (node.right, "", 0), (step, "", 0)]
        if isinstance(node, ast.UnaryOp):
            function = self._operator(node.op, place)
            return [(node.operand, "", 0), (_Instruction("call", function, 1, place), "", 0)]
        if isinstance(node, ast.Compare) and within == "where" and number == 0:
            if len(node.ops) > 1:
                self.fail("one comparison at a time: put one where within another", place)
            function = self._operator(node.ops[0], place)
            step = _Instruction("call", function, 2, place)
            return [(node.left, "", 0), (node.comparators[0], "", 0), (step, "", 0)]
        if isinstance(node, ast.List) and within in _OF_LISTS:
            step = _Instruction("list", None, len(node.elts), place)
            return [*((x, "", 0) for x in node.elts), (step, "", 0)]
        if isinstance(node, ast.Call):
            return self._call(node, place)
        if isinstance(node, ast.Attribute | ast.Subscript):
            place = self._end(node.value)
        elif isinstance(node, ast.Compare):
            place = self._end(node.left)
        self.fail(_INSTEAD.get(type(node), f"this is not allowed; allowed are {_ALLOWED}"), place)

    def _end(self, node: ast.expr) -> int:
        """Return the place after `node` and the brackets and spaces that follow."""
        end = len(self.text.encode()[: node.end_col_offset].decode(errors="ignore"))
        while end < len(self.text) and self.text[end] in ") ":
            end += 1
        return end

    def _operator(self, op: ast.AST, place: int) -> Callable[..., Any]:
        function = _OPERATORS.get(type(op))
        if function is None:
            self.fail(
                _INSTEAD.get(type(op), f"this operator is not allowed; allowed are {_ALLOWED}"),
                place,
            )
        return function

    def _number(self, node: ast.Constant) -> float:
        x = node.value
        if type(x) not in (int, float):
            kind = "text" if isinstance(x, str | bytes) else repr(x)
            self.fail(f"{kind} is not allowed; allowed are {_ALLOWED}", self.place(node))
        try:
            number = float(x)  # type: ignore[arg-type]
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            self.fail("the number is too large for a float", self.place(node))
        return number

    def _call(self, node: ast.Call, place: int) -> list[tuple[Any, str, int]]:
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Attribute | ast.Subscript):
                self.fail(_INSTEAD[type(node.func)], self._end(node.func.value))
            self.fail("only our functions can be called, by name", self.place(node.func))
        name = node.func.id
        if name in _NAMES:
            self.fail(f"there is no function {name} here: {_NAMES[name]}", place)
        if name not in FUNCTIONS:
            near = get_close_matches(name, FUNCTIONS, 1, 0.5)
            hint = (
                f"; did you mean {near[0]}?"
                if near
                else "; there are those of math, and relu and the like"
            )
            self.fail(f"there is no function {name} here{hint}", place)
        if node.keywords:
            self.fail(
                "arguments are given in order, without a name", self.place(node.keywords[0].value)
            )
        function = FUNCTIONS[name]
        count = len(node.args)
        try:
            bound = inspect.signature(function).bind(*node.args)
        except TypeError:
            self.fail(f"{name} does not take {count} argument{'s' * (count != 1)}", place)
        whole = [
            bound.arguments[parameter.name]
            for parameter in bound.signature.parameters.values()
            if parameter.annotation in (int, "int") and parameter.name in bound.arguments
        ]
        if name in _OF_LISTS:
            for argument in node.args:
                if not isinstance(argument, ast.List):
                    self.fail(f"{name} takes lists: {name}([x, y], ...)", self.place(argument))
        step = _Instruction("call", function, count, place)
        # An argument such as an order is a constant: there is no derivative by it.
        arguments = [self._whole(x, name) if x in whole else x for x in node.args]
        return [*((x, name, k) for k, x in enumerate(arguments)), (step, "", 0)]

    def _whole(self, node: ast.expr, name: str) -> _Instruction:
        """Return the instruction that pushes a whole number."""
        sign = -1 if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else 1
        constant = node.operand if isinstance(node, ast.UnaryOp) and sign < 0 else node
        place = self.place(node)
        if not isinstance(constant, ast.Constant):
            self.fail(f"{name} takes a whole number here, such as 1", place)
        number = sign * self._number(constant)
        if not number.is_integer():
            self.fail(f"{name} takes a whole number here, not {number:g}", place)
        return _Instruction("number", int(number), place=place)

    def _constant(self, function: Callable[..., Any], operands: list[Any], place: int) -> Any:
        """Return the result of a call if all its operands are numbers, else None.

        Raises ExpressionError with the place if it cannot be computed.
        """
        if any(x is None or (isinstance(x, list) and None in x) for x in operands):
            return None
        try:
            y = function(*operands)
        except OverflowError:
            self.fail("the result is too large for a float", place)
        except (ValueError, ArithmeticError) as error:
            self.fail(str(error), place)
        if isinstance(y, complex):
            self.fail("a negative number to a fractional power is not a real number", place)
        return y
