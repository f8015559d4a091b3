"""What the server uses of the story engine.

Law: it loads with the first story, in a third of the time that the whole server's start may take: so nobody
imports this module at its own head.
"""

from novel_jupyter.story.actions import parse_action as parse_action
from novel_jupyter.story.loader import StoryError as StoryError
from novel_jupyter.story.loader import bundled as bundled
from novel_jupyter.story.loader import load_bundled as load_bundled
from novel_jupyter.story.loader import load_story as load_story
from novel_jupyter.story.offers import offers as offers
from novel_jupyter.story.offers import offers_from_outside as offers_from_outside
from novel_jupyter.story.schema import Story as Story
from novel_jupyter.story.world import initial_state as initial_state
from novel_jupyter.story.world import misfit as misfit
from novel_jupyter.story.world import strategies as strategies
