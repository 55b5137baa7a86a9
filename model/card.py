"""The model card that stands in every folder of weights as its README.md.

What a reader needs before using a model: what it is, what it learned from, how, how well, and
what it is not for (after Mitchell et al. 2019).
"""

from model.weights import Weights


def model_card(weights: Weights, name: str) -> str:
    """Markdown for a folder called `name`, from what the weights say of themselves."""
    config, training = weights.network.config, weights.training
    sizes = (
        f"{config.layers} {config.cell.upper()} layers of {config.hidden_size} units, "
        f"{config.embedding_size}-number embeddings, {config.vocabulary_size} "
        f"{weights.tokenizer.kind} tokens, {config.parameter_count:,} parameters"
    )
    held_out = (
        "songs that training never saw"
        if training["held_out"]
        else "the training songs themselves (there were too few to hold any out)"
    )
    options = "\n".join(f"| {key} | {value} |" for key, value in training.items())
    return f"""# {name}

A Ghostwriter model: {sizes}.

- Genres: {", ".join(weights.genres) or "none"}.
- Validation: {training["validation_bits_per_character"]} bits per character,
  perplexity {training["validation_perplexity"]}, on {training["validation_songs"]} {held_out}.
- Use it: `python -m model generate --weights PATH_TO_THIS_FOLDER --seed "opening words"`.

It imitates the songs it was trained on and knows nothing else: it states no facts, and what it
writes may be clumsy, may hurt, or may come close to a line it learned. Read before you publish.

| option or figure | value |
|---|---|
{options}
"""
