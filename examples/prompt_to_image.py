"""The chapter's usage example of PromptEngineer, to its end: the prompts are handed to TextToImage."""

from sensorium import PromptEngineer, TextToImage

engineer = PromptEngineer()
prompt = engineer.build_prompt(
    subject="a cat sitting on a window sill",
    style="realistic",
    details=["fluffy fur", "green eyes"],
    lighting="golden hour lighting, warm tones",
    camera="shot on Canon EOS, shallow depth of field",
)
negative = engineer.get_negative_prompt(additional=["cartoon", "painting"])

# 生成图像
t2i = TextToImage()
images = t2i.generate(prompt=prompt, negative_prompt=negative)
