"""Programs: a traced function is data, `code`, made simpler, spelled in a language, and run.

The way of a function, from the first call of what `compile` gives to its text:

1. `run.compiled` calls it with symbols; `trace` records what it computes, and what it calls;
2. `Trace.lowered` makes its Code, and `passes.linking.linked` cuts each call to what is needed;
3. for a kind of numbers `passes.simplify.optimised` makes that simpler, without what is dead;
4. `spell.python.function.spell_python`, or `spell.c`, writes the text, and `run.program` calls it.
"""
