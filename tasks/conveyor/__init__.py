"""The belt: order of the stages, claim, launch, retry and sweep."""
